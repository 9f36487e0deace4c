"""What is guessed about the columns of an export, at the border of each rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.mapping.amount_guesses import find_amount, find_time
from custdyn_widgets.mart.mapping.choices import FEW, Choice, by_heading, cases, has_kinds
from custdyn_widgets.mart.mapping.exports import ExportedFile, is_data_name, parts, table_name, unread_files
from custdyn_widgets.mart.mapping.guesses import guess_tables
from custdyn_widgets.mart.mapping.ledger_guesses import PackageTable, guess_ledger
from custdyn_widgets.mart.mapping.profiles import Column, stripped
from custdyn_widgets.mart.mapping.rate_guesses import guess_rates
from custdyn_widgets.mart.mapping.words import KINDS

CLIENT = Column("clients", "Client ID", ("1", "2"))
DAYS = ("2026-01-05", "2026-01-06")


def column(name: str, *cells: str | None, table: str = "t") -> Column:
    return Column(table, name, cells)


def ledger(
    name: str = "calls", share: float = 1.0, **columns: Sequence[str | None]
) -> dict[str, Choice] | None:
    """Return the choices for a table with these columns, one of which refers to clients with this share."""
    given = {"ID": ("7", "8"), "Client ID": ("1", "1"), "Date": DAYS, "Amount": ("1.5", "2.5"), **columns}
    found = [Column(name, heading.replace("_", " "), tuple(cells)) for heading, cells in given.items()]
    guess = guess_ledger(name, found, CLIENT, None, lambda c, _: share if c.name == "Client ID" else 0.0)
    return guess and {choice.column: choice for choice in guess.choices}


# Columns


@pytest.mark.parametrize(("good", "is_so"), [(10, True), (9, True), (8, False)])
@pytest.mark.parametrize(("value", "kind"), [("5", "is_number"), ("2026-01-05", "is_time")])
def test_nine_values_in_ten_decide_what_a_column_is(good: int, is_so: bool, value: str, kind: str) -> None:
    assert getattr(column("c", *[value] * good, *["word"] * (10 - good)), kind) is is_so
    assert getattr(column("c", *[value] * good, *["word"] * (10 - good), None, None), kind) is is_so


@pytest.mark.parametrize(
    ("name", "cells", "plain", "sql"),
    [
        ("Amount in cents", ("150", "-20"), "amount", '(number("Amount in cents") * 0.01)'),
        ("amount_micros", ("150",), "amount", '(number("amount_micros") * 0.000001)'),
        ("Amount in cents", ("1.50", "2"), "amountincents", 'number("Amount in cents")'),
        ("Amount", ("150",), "amount", 'number("Amount")'),
    ],
)
def test_whole_numbers_in_small_units_become_amounts(
    name: str, cells: tuple[str, ...], plain: str, sql: str
) -> None:
    found = column(name, *cells)
    assert (found.plain, found.as_number) == (plain, sql)
    assert by_heading("amount", found).certainty == (
        "likely" if " * " in sql or plain != "amount" else "sure"
    )


def test_blanks_around_cells_are_removed_and_told() -> None:
    assert stripped(["a ", " ", None, "", "\tb", "c d"]) == (("a", None, None, None, "b", "c d"), "\t ")


@pytest.mark.parametrize("count", [FEW, FEW + 1])
def test_a_column_of_kinds_has_a_limited_number_of_values(count: int) -> None:
    values = [f"call {i}" for i in range(count)]
    assert has_kinds(column("Type", *values)) is (count == FEW)
    choice = cases("kind", column("Type", "odd", *values[1:]), KINDS, "other")
    assert ("WHEN 'odd' THEN 'other'" in choice.sql) is (count == FEW)
    assert choice.sql.endswith("""ELSE "Type" END""" if count == FEW else "ELSE 'other' END")
    assert choice.certainty == "please check"
    assert choice.why == "the values of 'Type'; unknown values become other: 'odd'"


@pytest.mark.parametrize(
    ("cells", "sql", "certainty", "why"),
    [
        (("call", "sms"), 'ELSE "Type" END', "likely", ""),
        (("call", None), "ELSE coalesce(\"Type\", 'other') END", "please check", "; blanks become other"),
    ],
)
def test_blank_kinds_are_other(cells: tuple[str | None, ...], sql: str, certainty: str, why: str) -> None:
    choice = cases("kind", column("Type", *cells), KINDS, "other")
    assert choice.sql.endswith(sql)
    assert (choice.certainty, choice.why) == (certainty, f"the values of 'Type'{why}")
    assert has_kinds(column("Type", "call"))
    assert not has_kinds(column("Type"))
    assert not has_kinds(column("Colour", "call"))


# Amounts and times


@pytest.mark.parametrize(
    ("debit", "credit", "sign", "cells"),
    [
        (("15", None, "0"), (None, "7", ""), "-", ("-15", "7", "0")),
        (("15", "5", "-13"), ("0", "", None), "-", ("-15", "-5", "13")),
        (("-15", None), (None, "7"), "+", ("-15", "7")),
        (("5", "-5", None), (None, None, "7"), "-", ("-5", "5", "7")),
    ],
)
def test_debits_lower_the_balance(
    debit: tuple[str | None, ...], credit: tuple[str | None, ...], sign: str, cells: tuple[str, ...]
) -> None:
    found = find_amount([column("Debit", *debit), column("Credit", *credit)])
    assert found is not None
    assert found.sql == f'coalesce(number("Credit"), 0) {sign} coalesce(number("Debit"), 0)'
    assert found.cells == cells


def test_a_row_with_debit_and_credit_shows_that_these_are_no_two_sides() -> None:
    found = find_amount([column("Debit", "5", "2"), column("Credit", "7", None)])
    assert found is not None
    assert len(found.columns) == 1


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ([("Amount", "5"), ("Cost", "5.5")], "Cost"),
        ([("Xyz", "5.5"), ("Cost", "5")], "Cost"),
        ([("Abc", "5"), ("Xyz", "5.5")], "Xyz"),
        ([("Abc", "5")], None),
        ([("Debit", "5.5")], "Debit"),
        ([("Credit", "5.5")], "Credit"),
        ([("Amount", "word")], None),
    ],
)
def test_an_amount_has_fractions_or_a_heading(columns: list[tuple[str, str]], chosen: str | None) -> None:
    found = find_amount([column(*pair) for pair in columns])
    assert (found and found.columns[0].name) == chosen


@pytest.mark.parametrize(
    ("columns", "sql"),
    [
        ([("Date", "2026-01-05"), ("Created", "2026-01-05 10:00")], '"Created"'),
        ([("Date", "2026-01-05"), ("Xyz", "2026-01-05 10:00")], '"Date"'),
        ([("Xyz", "2026-01-05")], '"Xyz"'),
        ([("Date", "2026-01-05 10:00"), ("Time", "11:00")], '"Date"'),
        ([("Date", "2026-01-05"), ("Time", "11:00")], '"Date" || \' \' || "Time"'),
    ],
)
def test_a_time_has_a_heading_or_a_clock(columns: list[tuple[str, str]], sql: str) -> None:
    found = find_time([column(*pair) for pair in columns])
    assert found is not None
    assert found.sql == sql


@pytest.mark.parametrize(
    ("date", "sql"),
    [
        (Column("t", "Date", ("2026-01-05",), typed=True), 'CAST("Date" AS DATE)'),
        (column("Date", "05-JAN-26"), "CAST(strptime(\"Date\", '%d-%b-%y') AS DATE)"),
        (column("Date", "2026-01-05 00:00"), "regexp_extract(\"Date\", '^[^ T]+')"),
    ],
)
def test_a_date_is_taken_from_what_has_more(date: Column, sql: str) -> None:
    found = find_time([date, column("Time", "11:00")])
    assert found is not None
    assert found.sql == f"{sql} || ' ' || \"Time\""


# Transactions


@pytest.mark.parametrize(("share", "found"), [(1.0, True), (0.5, True), (0.49, False)])
def test_half_of_the_values_make_a_reference(share: float, found: bool) -> None:
    assert (ledger(share=share) is not None) is found
    packages = PackageTable("plans", [column("ID", "p1")], column("ID", "p1"))
    columns = [CLIENT, column("Date", *DAYS), column("Amount", "1.5", "2"), column("Plan", "p1", "p1")]

    def overlap(one: Column, other: Column) -> float:
        return (
            1.0 if other is CLIENT and one is CLIENT else share * (one.name == "Plan" and other is not CLIENT)
        )

    guess = guess_ledger("fees", columns, CLIENT, packages, overlap)
    assert guess is not None
    assert (guess.choices[-1].why == "its values are in plans.ID") is found
    assert guess.choices[-1].certainty == ("sure" if found else "likely")
    named = PackageTable("plans", [column("ID", "p1"), column("Title", "Gold")], column("Key", "1"))
    guess = guess_ledger(
        "fees",
        columns,
        CLIENT,
        named,
        lambda c, o: overlap(c, o) if o.name in ("Title", "Client ID") else 0.0,
    )
    assert guess is not None
    assert (guess.choices[-1].why == "its values are in plans.Title") is found


@pytest.mark.parametrize(
    ("table", "amounts", "turned"),
    [
        ("calls", ("1.5", "2.5"), True),
        ("calls", ("-1.5", "2.5"), False),
        ("calls", ("-1.5", "-2"), False),
        ("payments", ("1.5", "2"), False),
        ("payments", ("-1.5", "2"), False),
        ("payments", ("-1.5", "-2"), True),
        ("bonuses", ("-1.5", "-2"), False),
    ],
)
def test_a_sign_is_reversed_only_if_most_amounts_have_the_wrong_one(
    table: str, amounts: tuple[str, str], turned: bool
) -> None:
    found = ledger(table, Amount=amounts)
    assert found is not None
    assert found["amount"].sql == ("-" if turned else "") + 'number("Amount")'
    kinds = ledger("entries", Amount=amounts, Type=(table, table))
    assert kinds is not None
    assert ("THEN -number" in kinds["amount"].sql) is turned


def test_each_kind_has_a_sign_of_its_own() -> None:
    columns = [
        CLIENT,
        column("Date", *DAYS, DAYS[0]),
        column("Amount", "-1.5", "5", "6"),
        column("Type", "call", "payment", "payment"),
    ]
    guess = guess_ledger("entries", columns, CLIENT, None, lambda c, _: float(c is CLIENT))
    assert guess is not None
    assert {choice.column: choice.sql for choice in guess.choices}["amount"] == 'number("Amount")'


def test_rows_without_a_unique_column_are_numbered() -> None:
    unique, numbered = ledger(), ledger(ID=("7", "7"))
    assert unique is not None
    assert numbered is not None
    assert unique["transaction_id"].sql == "'calls:' || \"ID\""
    assert numbered["transaction_id"].sql == "'calls:' || row_number() OVER ()"


# Tables


@pytest.mark.parametrize(
    ("name", "headings", "found"),
    [
        ("people", ("ID", "Name", "Currency", "Created"), True),
        ("people", ("ID", "Name", "Currency"), False),
        ("people", ("ID", "Name", "Currency", "Created", "Amount"), False),
        ("people", ("ID", "Name", "Currency", "Created", "Company", "Manager", "Type", "Amount"), True),
        ("people", ("ID", "Name", "Currency", "Created", "Company", "Manager", "Amount"), False),
        ("clients", ("ID", "Name", "Currency", "Amount"), False),
        ("clients", ("ID",), True),
        ("clients", ("Colour", "Name", "Currency", "Created"), False),
    ],
)
def test_clients_are_a_table_with_enough_known_headings(
    name: str, headings: tuple[str, ...], found: bool
) -> None:
    cells = {"Created": DAYS, "Currency": ("EUR", "USD"), "Amount": ("1.5", "2")}
    clients = [Column(name, heading, cells.get(heading, ("1", "2"))) for heading in headings]
    guesses, _ = guess_tables({name: clients}, lambda *_: 0.0, "eur", partly=True)
    assert (guesses[0].source == name) is found
    if not found:
        words = rf"^No table seems to contain the clients\. Tables found: '{name}'\."
        with pytest.raises(SourceError, match=words):
            guess_tables({name: clients}, lambda *_: 0.0, "eur")


@pytest.mark.parametrize(
    ("headings", "missing"),
    [
        (("5", "x"), True),
        (("5", "x", "y"), True),
        (("5", "x", "y", "z"), False),
        (("5", "6", "x", "y"), True),
        (("x",), False),
    ],
)
def test_numbers_in_place_of_headings_are_told(headings: tuple[str, ...], missing: bool) -> None:
    with pytest.raises(SourceError) as caught:
        guess_tables({"a": [column(name, "1") for name in headings]}, lambda *_: 0.0, "EUR")
    words = "a: the first row contains '5', so the headings seem to be missing"
    assert (words in caught.value.message) is missing


@pytest.mark.parametrize(
    ("tags", "sql"),
    [
        (("a,b", "c"), "replace(\"Tags\", ',', ';')"),
        (("a|b", "c"), "replace(\"Tags\", '|', ';')"),
        (("a;b", "c,d"), '"Tags"'),
        (("a", "b"), '"Tags"'),
    ],
)
@pytest.mark.parametrize(
    ("currencies", "currency"), [(("EUR", "USD"), '"Currency"'), (("eur", "USD"), 'upper("Currency")')]
)
def test_tags_and_currencies_are_written_as_in_a_mart(
    tags: tuple[str, str], sql: str, currencies: tuple[str, str], currency: str
) -> None:
    columns = [CLIENT, column("Name", "A", "B"), column("Tags", *tags), column("Currency", *currencies)]
    guesses, _ = guess_tables({"clients": columns}, lambda *_: 0.0, None, partly=True)
    chosen = {choice.column: choice.sql for choice in guesses[0].choices}
    assert (chosen["tags"], chosen["currency"], chosen["name"]) == (sql, currency, '"Name"')
    assert chosen["created_at"] == "'1970-01-01'"
    assert guesses[1].table == "transactions"


# Rates


def rates(name: str, **columns: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the base, the currency and the condition of each SELECT for quotes."""
    found = [Column(name, heading, tuple(cells)) for heading, cells in {"Date": DAYS, **columns}.items()]
    chosen = [({c.column: c.sql for c in guess.choices}, guess.where) for guess in guess_rates({name: found})]
    return [(choices["base"], choices["currency"], where) for choices, where in chosen]


def test_quotes_are_found_in_every_layout() -> None:
    both = ("1.5", "1.6")
    assert rates("fx", EURUSD=both, EURGBP=both, USDJPY=both) == [
        ("'EUR'", "'USD'", ""),
        ("'EUR'", "'GBP'", ""),
    ]
    assert rates("eurusd", Rate=both) == [("'EUR'", "'USD'", "")]
    assert rates("eurxyz", Rate=both) == []
    assert rates("xyzeur", Rate=both) == []
    assert rates("eurusd", Rate=both, Pair=("", "")) == [("'EUR'", "'USD'", "")]
    assert rates("eurusd", Rate=both, Pair=("x", "y")) == [("'EUR'", "'USD'", "")]
    pairs = ("EURUSD", "EUR/GBP")
    assert rates("fx", Rate=both, Pair=pairs) == [
        ("'EUR'", 'right("Pair", 3)', "\"Pair\" IN ('EUR/GBP', 'EURUSD')")
    ]
    assert rates("rates", Rate=("1", "1.6"), Currency=("EUR", "USD")) == [("'EUR'", '"Currency"', "")]
    assert rates("rates", Rate=("1", "1"), Currency=("EUR", "USD")) == []
    assert rates("rates", Rate=both, Currency=("EUR", "USD")) == []
    assert rates("rates", Rate=both, Currency=("EUR", "USD"), Base=("GBP", "GBP")) == [
        ('"Base"', '"Currency"', "")
    ]
    assert rates("other", Rate=("1", "1.6"), Currency=("EUR", "USD")) == []
    assert rates("rates", Rate=("1", "1.6"), Currency=("eur", "USD")) == []


def test_pairs_of_another_base_are_left_out_and_told() -> None:
    cells = ("EURUSD", "USDJPY", "EURGBP")
    columns = [column("Date", *DAYS, DAYS[0]), column("Rate", "1", "2", "3"), column("Pair", *cells)]
    [guess] = guess_rates({"fx": columns})
    assert guess.choices[0].certainty == "please check"
    assert guess.choices[0].why == "the values of 'Pair'; left out because their base differs: 'USDJPY'"
    assert guess.where == "\"Pair\" IN ('EURGBP', 'EURUSD')"


# Files


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Calls 2024", "calls_2024"), ("2024-01", "t_2024_01"), ("--", "file"), ("Ünï!", "ünï")],
)
def test_a_file_becomes_a_table_of_a_plain_name(stem: str, name: str) -> None:
    assert table_name(stem) == name


def test_numbered_files_are_parts_if_there_are_several() -> None:
    def found(*names: str) -> dict[str, int]:
        files = [ExportedFile(Path(name), table_name(Path(name).stem)) for name in names]
        return {name: len(of) for name, of in parts(files)}

    assert found("calls-1.csv", "calls-2.csv", "fees.csv", "plans_3.csv") == {"calls": 2}
    assert found("calls-1.csv", "calls-2.csv", "calls.csv") == {}
    one = ExportedFile(Path("calls/part-0.csv"), "calls_part_0", "calls")
    assert [(name, len(of)) for name, of in parts([one])] == [("calls", 1)]


def test_files_that_hold_no_data_are_not_read(tmp_path: Path) -> None:
    assert is_data_name("A.CSV.GZ")
    assert not any(map(is_data_name, (".a.csv", "~$a.xlsx", "a.json", "csv")))
    for name in ("a.csv", "b.json", "c.xls", "readme", ".d.csv"):
        (tmp_path / name).touch()
    (tmp_path / "e.json").mkdir()
    assert unread_files(tmp_path) == ["b.json", "c.xls"]
    assert unread_files(tmp_path / "b.json") == []
