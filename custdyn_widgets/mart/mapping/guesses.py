"""Guess which tables and columns of an export match those of a mart, and say how certain each guess is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.mapping.choices import (
    Choice,
    Overlap,
    TableGuess,
    by_heading,
    cases,
    heading_rank,
    is_text,
    pick,
    time_by_heading,
)
from custdyn_widgets.mart.mapping.ledger_guesses import PackageTable, guess_ledger, why_unused
from custdyn_widgets.mart.mapping.profiles import Column, is_amount, is_time
from custdyn_widgets.mart.mapping.rate_guesses import guess_rates
from custdyn_widgets.mart.mapping.sql_file import FILL_IN
from custdyn_widgets.mart.mapping.words import CLIENT_TYPES, TABLES, meaning, rank
from custdyn_widgets.mart.schema import TABLES as MART

_BY_HAND = "Write the mapping by hand: docs/own-mapping.md shows how."
_NO_TIME = "1970-01-01"


def guess_tables(
    tables: Mapping[str, Sequence[Column]], overlap: Overlap, currency: str | None, *, partly: bool = False
) -> tuple[list[TableGuess], dict[str, str]]:
    """Guess the SELECTs for the tables of a mart; also return the unused tables and why they are unused.

    Parameters
    ----------
    tables
        The columns of each table of the export.
    overlap
        A function that returns the share of a column's values that occur in another column.
    currency
        The currency of all clients, for exports without a currency column.
    partly
        Whether to leave placeholders for what cannot be guessed, instead of raising an error.

    Raises
    ------
    SourceError
        If there seem to be no clients or no transactions, or the currency is unknown.
    """
    try:
        clients, key = _find_clients(tables, overlap)
    except SourceError as error:
        if not partly:
            raise
        why = "no table of clients was found"
        blank = [_blank("clients", error.message), _blank("transactions", why)]
        return [*blank, *guess_rates(tables)], {}
    found = [_clients(clients, tables[clients], key, FILL_IN if partly and currency is None else currency)]
    rest = {name: columns for name, columns in tables.items() if name != clients}
    rates = guess_rates(rest)
    rest = {name: columns for name, columns in rest.items() if name not in {g.source for g in rates}}
    packages = _find_packages(rest)
    unused = {}
    for name, columns in rest.items():
        if not packages or name != packages.name:
            ledger, headless = guess_ledger(name, columns, key, packages, overlap), _without_headings(columns)
            if ledger and headless and not partly:  # otherwise, the first row of data would be lost
                raise SourceError(f"{name}: {headless}.", field="source")
            if ledger:
                found.append(ledger)
            else:
                unused[name] = headless or why_unused(columns, key, overlap)
    if len(found) == 1:
        found.append(_no_transactions(clients, key, unused, partly=partly))
    return [*found, *([_packages(packages)] if packages else []), *rates], unused


def _no_transactions(clients: str, key: Column, unused: Mapping[str, str], *, partly: bool) -> TableGuess:
    """Return a blank SELECT for the transactions, or raise an error that says why no table contains them."""
    reasons = "".join(f" In {name}, {why}." for name, why in unused.items() if why)
    why = (
        "No table seems to contain transactions; such a table has times, amounts, and a column that refers "
        f"to {shown(key.name)} in {clients}.{reasons}"
    )
    if not partly:
        raise SourceError(f"{why} {_BY_HAND}", field="mapping")
    return _blank("transactions", why)


def _blank(table: str, why: str) -> TableGuess:
    """Return a SELECT for the user to fill in, for a table of the mart that was not found."""
    required = [column.name for column in MART[table].columns if column.required]
    return TableGuess(table, "", tuple(Choice(column, FILL_IN, "fill in", why) for column in required))


def _find_clients(tables: Mapping[str, Sequence[Column]], overlap: Overlap) -> tuple[str, Column]:
    """Return the most likely table of clients, and the unique column that other tables seem to refer to."""
    scores = {name: _client_score(name, columns) for name, columns in tables.items()}
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is None or scores[best] < 3:
        names = ", ".join(map(shown, tables))
        reasons = [f" {name}: {why}." for name, of in tables.items() if (why := _without_headings(of))]
        raise SourceError(
            f"No table seems to contain the clients. Tables found: {names}. A table of clients needs a "
            "column of ids, and English headings such as name, currency and created."
            f"{''.join(reasons)} {_BY_HAND}",
            field="mapping",
        )
    others = [
        c
        for name, columns in tables.items()
        for c in columns
        if name != best and not c.is_time and rank(c.plain, "client_id") is not None
    ]

    def likelihood(column: Column) -> tuple[float, int]:
        shares = (overlap(other, column) for other in others)
        return max(shares, default=0.0), -heading_rank(column, "client_id")

    return best, max((c for c in tables[best] if c.is_unique), key=likelihood)


def _without_headings(columns: Sequence[Column]) -> str:
    """Return a remark if a table seems to have data in place of headings, or else an empty string."""
    values = [c.name for c in columns if is_amount(c.name) or is_time(c.name)]
    if not values or (len(values) == 1 < len(columns) - 2):  # such as a column for the year 2026
        return ""
    return f"the first row contains {shown(values[0])}, so the headings seem to be missing; add headings"


def _client_score(name: str, columns: Sequence[Column]) -> int:
    """Return a score for how likely a table is to contain clients, based on its name and its headings."""
    if not any(c.is_unique and rank(c.plain, "client_id") is not None for c in columns):
        return 0
    headings = ("name", "client_type", "company", "owner_user", "created_at", "currency", "stored_balance")
    known = sum(any(rank(c.plain, heading) is not None for c in columns) for heading in headings)
    amount = any(rank(c.plain, "amount") == 0 for c in columns)
    return known - 3 * amount + 3 * (meaning(name, {"clients": TABLES["clients"]}) is not None)


def _find_packages(tables: Mapping[str, Sequence[Column]]) -> PackageTable | None:
    """Return the table whose name suggests packages, if it has a unique column and no times."""
    for name, columns in tables.items():
        key = next((c for c in columns if c.is_unique), None)
        if key and not any(c.is_time for c in columns) and meaning(name, {"packages": TABLES["packages"]}):
            return PackageTable(name, columns, key)
    return None


def _clients(name: str, columns: Sequence[Column], key: Column, currency: str | None) -> TableGuess:
    """Return the SELECT for the clients, which uses each column at most once."""
    taken = [key]

    def take(wanted: str, fits: Callable[[Column], bool]) -> Column | None:
        column = pick((c for c in columns if c not in taken), wanted, fits)
        taken.extend([column] if column else [])
        return column

    choices = [Choice("client_id", key.text, "sure", "unique, and other tables refer to it")]
    kind = take("client_type", lambda c: any(meaning(v, CLIENT_TYPES) for v in c.values))
    choices.append(_client_type(kind))
    choices.append(_currency(take("currency", _is_currency), currency))
    closed = take("closed_at", lambda c: c.is_time)
    created = take("created_at", lambda c: c.is_time)
    created = created or next((c for c in columns if c.is_time and c not in taken), None)
    choices.append(_created_at(created))
    choices += [time_by_heading("closed_at", closed)] if closed else []
    for wanted in ("opening_balance", "stored_balance"):
        number = take(wanted, lambda c: c.is_number)
        choices += [by_heading(wanted, number, number.as_number)] if number else []
    for wanted in ("name", "company", "owner_user"):
        text = take(wanted, is_text)
        choices += [by_heading(wanted, text)] if text else []
    tags = take("tags", is_text)
    choices += [_tags(tags)] if tags else []
    return TableGuess("clients", name, tuple(choices))


def _created_at(column: Column | None) -> Choice:
    if column:
        return time_by_heading("created_at", column)
    why = "no column has creation times, so all clients are assumed to exist from the start"
    return Choice("created_at", f"'{_NO_TIME}'", "please check", why)


def currencies(columns: Sequence[Column]) -> list[str]:
    """Return the currencies in a table's currency column, or an empty list if it has no such column."""
    column = pick(columns, "currency", _is_currency)
    return sorted({value.upper() for value in column.values}) if column else []


def _is_currency(column: Column) -> bool:
    return bool(column.values) and all(len(v) == 3 and v.isascii() and v.isalpha() for v in column.values)


def _currency(column: Column | None, given: str | None) -> Choice:
    if column:
        lower = not all(map(str.isupper, column.values))
        return by_heading("currency", column, f"upper({column.sql})" if lower else None)
    if given is None:
        raise SourceError(
            "The clients have no currency column. Set their currency, for example with --currency EUR.",
            field="currency",
        )
    if given == FILL_IN:
        return Choice(
            "currency", FILL_IN, "fill in", "the clients have no currency column; write a code, such as 'EUR'"
        )
    if not (len(given) == 3 and given.isascii() and given.isalpha()):
        raise SourceError(
            f"currency must be a three-letter ISO 4217 code, such as 'EUR', not {shown(given)}.",
            field="currency",
        )
    return Choice("currency", f"'{given.upper()}'", "sure", "as given")


def _client_type(column: Column | None) -> Choice:
    if column is None:
        return Choice("client_type", "'client'", "likely", "no column distinguishes types of clients")
    return cases("client_type", column, CLIENT_TYPES, "client")


def _tags(column: Column) -> Choice:
    separator = next((s for s in (",", "|", "/") if any(s in v for v in column.values)), None)
    if separator is None or any(";" in v for v in column.values):
        return by_heading("tags", column)
    sql = f"replace({column.text}, '{separator}', ';')"
    why = f"the heading {shown(column.name)}, with {shown(separator)} between tags"
    return Choice("tags", sql, "likely", why)


def _packages(table: PackageTable) -> TableGuess:
    choices = [Choice("package_id", table.key.text, "sure", "unique")]
    named = pick((c for c in table.columns if c is not table.key), "package_name", is_text)
    if named:
        choices.append(Choice("name", named.sql, "likely", f"the heading {shown(named.name)}"))
    return TableGuess("packages", table.name, tuple(choices))
