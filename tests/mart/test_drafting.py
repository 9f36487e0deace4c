"""A drafted mapping has the right tables, columns, kinds and signs, and overwrites nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from pathlib import Path
from unittest.mock import Mock

import duckdb
import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import Dialect, ReportQuery, progress
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.mapping import drafting
from custdyn_widgets.mart.mapping.amount_guesses import find_time
from custdyn_widgets.mart.mapping.choices import Choice
from custdyn_widgets.mart.mapping.drafting import Draft, draft_mapping
from custdyn_widgets.mart.mapping.profiles import Column, date_order, decimal_mark
from custdyn_widgets.mart.mapping.sql_text import DUCKDB, identifier
from custdyn_widgets.mart.mapping.words import KINDS, meaning
from custdyn_widgets.mart.syncing import sampling
from custdyn_widgets.mart.syncing.session import ReadableTable
from custdyn_widgets.render import to_csv
from tests import oracle
from tests.engine.test_golden import differences
from tests.progress.test_parts import Recorded
from tests.raw_export import write_export, write_mart


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return write_export(tmp_path / "export")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name, value in (("CACHE", "cache"), ("SOURCES", "work/sources.toml"), ("SNAPSHOTS", "snapshots")):
        monkeypatch.setenv(f"CUSTDYN_{name}", str(tmp_path / value))
    monkeypatch.delenv("CUSTDYN_CONFIG", raising=False)


def custdyn(*args: object) -> Result:
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


def choices(draft: Draft, source: str) -> dict[str, Choice]:
    return {c.column: c for guess in draft.guesses if guess.source == source for c in guess.choices}


def test_tables_are_recognized(export: Path) -> None:
    draft = draft_mapping(export, Dialect())
    assert [(guess.source, guess.table) for guess in draft.guesses] == [
        ("customers", "clients"),
        ("calls", "transactions"),
        ("fees", "transactions"),
        ("payments", "transactions"),
        ("plans", "packages"),
        ("fx", "rates"),
    ]


def test_the_dialect_is_guessed(export: Path) -> None:
    draft = draft_mapping(export, Dialect())
    assert draft.dialect == Dialect(decimal=",", dates="DMY")
    assert any(remark.startswith("Time zone: times have no offset") for remark in draft.remarks)


def test_what_is_known_is_not_guessed(export: Path) -> None:
    draft = draft_mapping(export, Dialect(timezone="Europe/Kyiv", dates="DMY", decimal=","))
    assert draft.dialect == Dialect(timezone="Europe/Kyiv", dates="DMY", decimal=",")
    assert draft.remarks == ()


def test_signs_follow_the_kind(export: Path) -> None:
    draft = draft_mapping(export, Dialect())
    assert choices(draft, "calls")["amount"].sql == '-number("Cost")'
    assert choices(draft, "payments")["amount"].sql == 'number("Amount")'
    assert choices(draft, "fees")["amount"].sql == '-number("Fee")'


def test_kinds_come_from_values_or_the_name_of_a_table(export: Path) -> None:
    draft = draft_mapping(export, Dialect())
    assert "WHEN 'Voucher' THEN 'refill'" in choices(draft, "payments")["kind"].sql
    assert choices(draft, "calls")["kind"].sql == "'usage'"
    fee = choices(draft, "fees")["kind"]
    assert (fee.sql, fee.certainty) == ("'package_renewal'", "please check")


@pytest.mark.parametrize(
    ("values", "has_kinds"),
    [(["Call"], True), (["Call", "Voucher"], True), (["Sunny", "Rainy"], False)],
)
def test_a_column_of_kinds_may_have_one_kind_alone(
    tmp_path: Path, values: list[str], has_kinds: bool
) -> None:
    folder = ledger_of_kinds(tmp_path, [values[n % len(values)] for n in range(1, 7)])
    kind = choices(draft_mapping(folder, Dialect(), "EUR"), "ledger")["kind"]
    assert ('"Type"' in kind.sql) == has_kinds


def test_kinds_that_the_sample_lacks_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "_SAMPLE", 3)
    folder = ledger_of_kinds(tmp_path, ["Call"] * 3 + ["Voucher", "Call", "Plan fee", "Jackpot"])
    found = choices(draft_mapping(folder, Dialect(), "EUR"), "ledger")
    assert "WHEN 'Voucher' THEN 'refill'" in found["kind"].sql
    assert found["kind"].certainty == "please check"
    assert "unknown values become other: 'Jackpot'" in found["kind"].why
    assert """IN ('Call', 'Plan fee') THEN -number("Amount")""" in found["amount"].sql


def test_kinds_with_blanks_around_them_are_recognized(tmp_path: Path) -> None:
    folder = ledger_of_kinds(tmp_path, ["Call   ", "Voucher"])
    assert custdyn("mapping", "new", "shop", folder, "--currency", "EUR").exit_code == 0
    checked = custdyn("check", "shop")
    assert checked.exit_code == 0, checked.output
    path = next((tmp_path / "cache").glob("mapped/*/*/transactions.parquet"))
    kinds = duckdb.sql(f"SELECT kind, amount FROM '{path}' ORDER BY ALL").fetchall()
    assert [(kind, float(amount)) for kind, amount in kinds] == [("refill", 2.5), ("usage", -1.5)]


def test_a_kind_that_appears_later_is_a_fault(tmp_path: Path) -> None:
    folder = ledger_of_kinds(tmp_path, ["Call", "Voucher", "", "Jackpot"])
    assert custdyn("mapping", "new", "shop", folder, "--currency", "EUR").exit_code == 0
    first = custdyn("check", "shop")
    assert first.exit_code == 0, first.output
    ledger_of_kinds(tmp_path, ["Call", "Voucher", "", "Jackpot", "Bonus"])
    later = custdyn("check", "shop")
    assert later.exit_code == 1
    assert "'Bonus' is not a known kind" in later.output


def ledger_of_kinds(tmp_path: Path, kinds: list[str]) -> Path:
    folder = tmp_path / "kinds"
    folder.mkdir(exist_ok=True)
    (folder / "clients.csv").write_text("Client ID,Name,Created\n1,A,2024-01-02\n2,B,2024-03-04\n")
    rows = "".join(f"{n},{n % 2 + 1},2024-05-0{n},{n}.5,{kind}\n" for n, kind in enumerate(kinds, start=1))
    (folder / "ledger.csv").write_text(f"ID,Client ID,Date,Amount,Type\n{rows}")
    return folder


def test_date_and_time_in_two_columns_are_joined(export: Path) -> None:
    assert (
        choices(draft_mapping(export, Dialect()), "calls")["at"].sql
        == '''"Call Date" || ' ' || "Call Time"'''
    )


def test_a_midnight_with_every_date_gives_way_to_the_time_of_day() -> None:
    date = Column("calls", "Date", ("2026-01-05 00:00:00", "2026-01-06 00:00:00"))
    at = find_time([date, Column("calls", "Time", ("09:30:00", "12:45:10"))])
    assert at is not None
    assert duckdb.sql(
        f"SELECT {at.sql} FROM (SELECT '2026-01-05 00:00:00' AS Date, '09:30:00' AS Time)"
    ).fetchall() == [("2026-01-05 09:30:00",)]


def test_packages_are_looked_up_by_name(export: Path) -> None:
    package = choices(draft_mapping(export, Dialect()), "fees")["package_id"]
    assert package.why == "its values are in plans.Title"


def test_quotes_of_pairs_have_the_first_currency_as_base(export: Path) -> None:
    rates = choices(draft_mapping(export, Dialect()), "fx")
    assert (rates["base"].sql, rates["units_per_base"].sql) == ("'EUR'", 'number("Rate")')


def test_a_missing_currency_is_asked_for(export: Path) -> None:
    text = (export / "customers.csv").read_text(encoding="utf-8")
    (export / "customers.csv").write_text(text.replace("Currency", "Colour"), encoding="utf-8")
    with pytest.raises(SourceError, match="--currency EUR") as raised:
        draft_mapping(export, Dialect())
    assert raised.value.field == "currency"
    assert choices(draft_mapping(export, Dialect(), "uah"), "customers")["currency"].sql == "'UAH'"
    for wrong in ("EURO", "E'R", "₴"):
        with pytest.raises(SourceError, match="three-letter ISO 4217 code"):
            draft_mapping(export, Dialect(), wrong)


@pytest.mark.parametrize("wrong", ["US1", "ДЛР", "EURO", ""])
def test_a_column_of_other_words_is_not_the_currency(export: Path, wrong: str) -> None:
    text = (export / "customers.csv").read_text(encoding="utf-8")
    currency = re.compile(r"(?<=;)[A-Z]{3}(?=;\d)")
    assert len(currency.findall(text)) > 50
    (export / "customers.csv").write_text(currency.sub(wrong, text), encoding="utf-8")
    with pytest.raises(SourceError, match="--currency EUR"):
        draft_mapping(export, Dialect())


def test_an_open_order_of_dates_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "clients.csv").write_text("Client ID;Name;Created\n1;A;01/02/2024\n2;B;03/04/2024\n")
    (folder / "payments.csv").write_text("ID;Client ID;Date;Amount\n1;1;05/06/2024;2,5\n2;2;07/08/2024;3,5\n")
    with pytest.raises(SourceError, match="--dates DMY or --dates MDY") as raised:
        draft_mapping(folder, Dialect(), "EUR")
    assert raised.value.field == "dates"


@pytest.mark.parametrize("missing", ["customers.csv", "all but customers.csv"])
def test_without_clients_or_transactions_the_error_says_so(export: Path, missing: str) -> None:
    for file in export.iterdir():
        if (file.name == missing) or (missing.startswith("all") and file.name != "customers.csv"):
            file.unlink()
    with pytest.raises(
        SourceError, match=r"seems to contain (the clients|transactions).*docs/own-mapping\.md"
    ):
        draft_mapping(export, Dialect())


def test_the_command_adds_a_source_that_is_ready(export: Path, tmp_path: Path) -> None:
    result = custdyn("mapping", "new", "billing", export, "--timezone", "Europe/Kyiv")
    assert result.exit_code == 0, result.output
    section = tomllib.loads((tmp_path / "work" / "sources.toml").read_text(encoding="utf-8"))["billing"]
    assert section == {
        "path": "../export", "mapping": "billing.sql", "decimal": ",", "dates": "DMY",
        "timezone": "Europe/Kyiv",
    }  # fmt: skip
    next_command = result.stderr.partition("Next: custdyn ")[2].split()
    assert next_command == ["check", "billing"]
    checked = custdyn(*next_command)
    assert checked.exit_code == 0, checked.output


def test_nothing_is_overwritten(export: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "sources.toml").write_text('[old]\npath = "x"  # mine\n', encoding="utf-8")
    assert custdyn("mapping", "new", "billing", export).exit_code == 0
    text = (work / "sources.toml").read_text(encoding="utf-8")
    assert text.startswith('[old]\npath = "x"  # mine\n\n[billing]\n')
    again = custdyn("mapping", "new", "billing", export)
    assert again.exit_code == 1
    assert "A source named 'billing' already exists" in again.output
    (work / "other.sql").write_text("mine", encoding="utf-8")
    other = custdyn("mapping", "new", "other", export)
    assert "already exists" in other.output
    assert (work / "other.sql").read_text(encoding="utf-8") == "mine"
    assert (work / "sources.toml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["a b", "../x", "", "a.b", "x]\n[y"])
def test_names_of_sources_are_checked_first(export: Path, name: str) -> None:
    result = custdyn("mapping", "new", name, export)
    assert result.exit_code == 1
    assert "cannot be named" in result.output


def test_a_name_in_letters_of_any_alphabet_is_a_source(export: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "real.toml").write_text('[old]\npath = "x"\n', encoding="utf-8")
    (work / "sources.toml").symlink_to("real.toml")
    result = custdyn("mapping", "new", "мой-1", export)
    assert result.exit_code == 0, result.output
    assert list(tomllib.loads((work / "real.toml").read_text(encoding="utf-8"))) == ["old", "мой-1"]
    assert (work / "sources.toml").is_symlink()
    checked = custdyn("check", "мой-1")
    assert checked.exit_code == 0, checked.output


def test_hostile_headings_and_values_stay_text(export: Path, tmp_path: Path) -> None:
    text = (export / "payments.csv").read_text(encoding="utf-8")
    hostile = "x' OR 1=1 --\u2028"
    (export / "payments.csv").write_text(text.replace("Voucher", hostile), encoding="utf-8")
    customers = (export / "customers.csv").read_text(encoding="utf-8")
    quoted = '"Full ""; DROP\n-- :name rates\nName"'
    (export / "customers.csv").write_text(customers.replace("Full Name", quoted), encoding="utf-8")
    assert custdyn("mapping", "new", "billing", export).exit_code == 0
    assert custdyn("check", "billing").exit_code == 0


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["1,5"], ","), (["1.5"], "."), (["1,234"], None), (["1.234,5"], ","), (["1,234.50"], "."),
        (["1 234,5"], ","), (["1"], None), (["1,5", "1.5"], None), (["-0,25", "3"], ","),
        (["1,234,567"], "."),

    ],
)  # fmt: skip
def test_a_decimal_separator_is_guessed_only_where_it_is_certain(values: list[str], mark: str | None) -> None:
    assert decimal_mark([Column("t", "c", tuple(values))]) == mark


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["01/02/2024", "13/02/2024"], "DMY"), (["01/13/2024"], "MDY"), (["01/02/2024"], None),
        (["2024/01/02"], "YMD"), (["2024-01-02"], None), (["31.12.2024 10:00"], "DMY"),
    ],
)  # fmt: skip
def test_an_order_of_dates_is_guessed_only_where_it_is_certain(values: list[str], order: str | None) -> None:
    assert date_order([Column("t", "c", tuple(values))])[0] == order


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Top-up", "refill"), ("PAYMENTS", "refill"), ("Setup fee", "package_activation"), ("cdrs", "usage"),
        ("Monthly Fee", "package_renewal"), ("VAT tax", None), ("Bonus", "other"), ("xyz", None),
    ],
)  # fmt: skip
def test_words_have_meanings(word: str, kind: str | None) -> None:
    assert meaning(word, KINDS) == kind


def test_a_drafted_report_is_right(export: Path, tmp_path: Path) -> None:
    """The report is that of the oracle on the same facts, written as a mart by other code."""
    custdyn("mapping", "new", "billing", export, "--timezone", "Europe/Kyiv")
    (tmp_path / "mart").mkdir()
    write_mart(tmp_path / "mart")
    query = {"interval": {"start": "2024-01-01", "end": "2024-12-31"}, "timezone": "Europe/Kyiv",
             "client_type": "all", "currency": "EUR", "group_by": ["month", "package"]}  # fmt: skip
    as_of = "2025-01-01T00:00:00Z"
    answer = oracle.answer(oracle.read_mart(tmp_path / "mart"), query, as_of)
    report = run_report(ReportQuery.from_dict(query), "billing", as_of=as_of)
    got = list(csv.reader(io.StringIO(to_csv(report).decode("utf-8"), newline="")))
    want = [[*line.labels, *("" if v is None else str(v) for v in line.values)] for line in answer.rows]
    assert len(want) > 20
    assert not differences(got, [[*answer.headings, *oracle.COLUMNS], *want])


def test_a_draft_is_printed_as_json(export: Path) -> None:
    result = custdyn("mapping", "new", "billing", export, "--json")
    draft = json.loads(result.stdout)
    assert {guess["table"] for guess in draft["guesses"]} == {"clients", "transactions", "packages", "rates"}
    assert draft["dialect"]["decimal"] == ","


def test_shipped_mappings_are_listed_and_shown() -> None:
    listed = custdyn("mapping", "show").stdout.splitlines()
    assert "lago: postgresql" in listed
    assert "-- :name transactions" in custdyn("mapping", "show", "lago").stdout
    unknown = custdyn("mapping", "show", "lagos")
    assert (unknown.exit_code, "did you mean 'lago'" in unknown.output) == (1, True)


def test_a_file_that_cannot_be_read_is_named(export: Path) -> None:
    with (export / "payments.csv").open("a", encoding="utf-8") as file:
        file.write("P9;1000;1;2;3;4;5\n")
    result = custdyn("mapping", "new", "billing", export)
    assert result.exit_code == 1
    assert "payments" in result.output
    assert "bug" not in result.output


def test_a_relative_path_is_read(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(export.parent)
    assert custdyn("mapping", "new", "billing", export.name).exit_code == 0
    assert custdyn("check", "billing").exit_code == 0


def test_tables_and_columns_of_any_name_are_quoted(export: Path, tmp_path: Path) -> None:
    """A database may name its tables with words of SQL, blanks and quotes."""
    names = {"customers": "user", "payments": 'pay "ments', "fees": "order", "plans": "plan table"}
    with duckdb.connect(str(tmp_path / "billing.duckdb")) as connection:
        for file, name in names.items():
            rows = f"read_csv('{export / file}.csv', delim=';', all_varchar=true)"
            connection.execute(f"CREATE TABLE {identifier(name)} AS FROM {rows}")
    result = custdyn("mapping", "new", "billing", tmp_path / "billing.duckdb")
    assert result.exit_code == 0, result.output
    checked = custdyn("check", "billing")
    assert checked.exit_code == 0, checked.output


def test_progress_of_sampling_is_the_share_of_tables() -> None:
    session = Mock(table_columns=Mock(return_value={}))
    session.readable_tables.return_value = [ReadableTable(name, False) for name in "abcd"]
    told = Recorded()
    with progress.report_to(told):
        sampling.Sample(session, DUCKDB)
    assert told.steps == [
        (f"Sampling the table {name}", share)
        for name, share in zip("abcd", (0, 0.25, 0.5, 0.75), strict=True)
    ]


@pytest.mark.parametrize(("sampled", "share"), [(sampling.ROWS, 1.0), (sampling.ROWS - 1, 0.5)])
def test_values_missing_from_a_sample_are_looked_up_in_the_table(sampled: int, share: float) -> None:
    session = Mock(number=Mock(return_value=2))
    session.readable_tables.return_value = []
    clients = Column("clients", "id", ("1",) * sampled)
    found = sampling.Sample(session, DUCKDB).overlap(Column("calls", "client", ("1", "2")), clients)
    assert found == share
    assert session.number.called == (share == 1.0)
