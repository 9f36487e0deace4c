"""Guess which tables contain transactions, and the kinds and signs of the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.mapping.amount_guesses import Amount, find_amount, find_time, lacking
from custdyn_widgets.mart.mapping.choices import (
    FEW,
    FOUND,
    Choice,
    Overlap,
    TableGuess,
    by_heading,
    cases,
    heading_rank,
    is_text,
    pick,
)
from custdyn_widgets.mart.mapping.profiles import Column, positive_share
from custdyn_widgets.mart.mapping.sql_text import Syntax
from custdyn_widgets.mart.mapping.words import KINDS, meaning

_PAID = ("usage", "package_activation", "package_renewal")


@dataclass(frozen=True)
class PackageTable:
    """The table of packages: its name, its columns and its unique column."""

    name: str
    columns: Sequence[Column]
    key: Column


def guess_ledger(
    name: str, columns: Sequence[Column], clients: Column, packages: PackageTable | None, overlap: Overlap
) -> TableGuess | None:
    """Return the SELECT for the transactions in a table, or None if there seem to be none."""
    reference = _reference(columns, clients, overlap)
    rest = [c for c in columns if c is not reference]
    at, amount = find_time(rest), find_amount(rest)
    if reference is None or at is None or amount is None:
        return None
    rest = [c for c in rest if c not in amount.columns]
    key = pick(rest, "transaction_id", lambda c: c.is_unique and not c.is_time)
    choices = [
        _transaction_id(name, key, reference.syntax),
        by_heading("client_id", reference, reference.text),
        at,
    ]
    kinds = pick((c for c in rest if c is not key), "kind", _has_kinds)
    package = pick((c for c in rest if c is not kinds), "package_id", is_text)
    if kinds:
        choices += _by_kinds(kinds, amount)
    else:
        choices += _of_one_kind(name, amount, package)
    if package:
        choices.append(_package(package, packages, overlap))
    return TableGuess("transactions", name, tuple(choices))


def _reference(columns: Sequence[Column], key: Column, overlap: Overlap) -> Column | None:
    """Return the column that refers to clients, or None if there is none."""
    shares = {c: overlap(c, key) for c in columns if not c.is_time and c.values}
    found = [c for c, share in shares.items() if share >= FOUND]
    return max(found, key=lambda c: (-heading_rank(c, "client_id"), shares[c]), default=None)


def why_unused(columns: Sequence[Column], clients: Column, overlap: Overlap) -> str:
    """Return why a table contains no transactions, or "" if it does not refer to clients."""
    reference = _reference(columns, clients, overlap)
    return lacking([c for c in columns if c is not reference]) if reference else ""


def _transaction_id(table: str, key: Column | None, syntax: Syntax) -> Choice:
    begins = syntax.literal(table + ":")
    if key is None:
        sql = syntax.joined(begins, "row_number() OVER ()")
        return Choice("transaction_id", sql, "likely", "no column is unique, so the rows are numbered")
    sql = syntax.joined(begins, key.sql)
    return Choice("transaction_id", sql, "sure", f"{shown(key.name)} is unique")


def _has_kinds(column: Column) -> bool:
    values = set(column.values)
    return 0 < len(values) <= FEW and any(meaning(v, KINDS) for v in values) and not column.is_time


def _of_one_kind(table: str, amount: Amount, package: Column | None) -> list[Choice]:
    """Return the choices for the kind and the amount in a table without a kind column."""
    kind = meaning(table, KINDS)
    named = Choice("kind", f"'{kind}'", "likely", f"the name of the table {shown(table)}")
    if kind is None and package:
        kind = "package_renewal"
        named = Choice("kind", f"'{kind}'", "please check", f"the column {shown(package.name)}")
    elif kind is None:
        why = f"neither the table {shown(table)} nor any of its columns shows the kind"
        named = Choice("kind", "'other'", "please check", why)
    if not _has_opposite_sign(kind, amount.numbers):
        return [named, Choice("amount", amount.sql, amount.certainty, amount.why)]
    words = "most are negative" if kind == "refill" else "most are positive, but they lower the balance"
    return [named, Choice("amount", _turned(amount), amount.certainty, f"{amount.why}; {words}")]


def _by_kinds(kinds: Column, amount: Amount) -> list[Choice]:
    """Return the choices for the kind and the amount in a table with a kind column."""
    why = amount.why
    kind = cases("kind", kinds, KINDS, "other")
    values = sorted(value for value in set(kinds.values) if value.isprintable())
    turned = [
        value for value in values if _has_opposite_sign(meaning(value, KINDS), _of(kinds, value, amount))
    ]
    if not turned:
        return [kind, Choice("amount", amount.sql, amount.certainty, why)]
    named = ", ".join(map(kinds.syntax.literal, turned))
    sql = f"CASE WHEN {kinds.word} IN ({named}) THEN {_turned(amount)} ELSE {amount.sql} END"
    why += f"; the sign is reversed for {', '.join(map(shown, turned))}"
    return [kind, Choice("amount", sql, amount.certainty, why)]


def _turned(amount: Amount) -> str:
    """Return the SQL for amounts with the opposite sign."""
    return f"-{amount.sql}" if len(amount.columns) == 1 else f"-({amount.sql})"


def _of(kinds: Column, value: str, amount: Amount) -> list[str]:
    """Return the amounts of the rows that have the given value in the kind column."""
    return [a for k, a in zip(kinds.cells, amount.cells, strict=True) if k == value and a]


def _has_opposite_sign(kind: str | None, amounts: Sequence[str]) -> bool:
    """Return whether the sign of most amounts of one kind is the opposite of what a mart expects."""
    share = positive_share(amounts)
    return (kind in _PAID and share > 0.5) or (kind == "refill" and share < 0.5)


def _package(column: Column, packages: PackageTable | None, overlap: Overlap) -> Choice:
    """Return the choice for the package's id, which is looked up by name if the column contains names."""
    as_it_is = by_heading("package_id", column, column.text)
    if packages is None:
        return as_it_is
    if overlap(column, packages.key) >= FOUND:
        why = f"its values are in {packages.name}.{packages.key.name}"
        return Choice("package_id", column.text, "sure", why)
    named = next((c for c in packages.columns if c.is_unique and overlap(column, c) >= FOUND), None)
    if named is None:
        return as_it_is
    quoted, key = column.syntax.identifier, column.syntax.any_of(f"p.{packages.key.quoted}")
    same = f"p.{named.quoted} = {quoted(column.table)}.{column.quoted}"
    sql = f"(SELECT {key} FROM {quoted(packages.name)} AS p WHERE {same})"  # noqa: S608 (quoted names)
    return Choice("package_id", sql, "likely", f"its values are in {packages.name}.{named.name}")
