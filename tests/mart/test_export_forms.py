"""Exports as systems write them: each form of times, amounts and files gives the same right report."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from click.testing import CliRunner

from custdyn_widgets import Dialect, check_source, draft_mapping, run_report
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.mapping import workbooks
from custdyn_widgets.mart.mapping.forms import plain_amount, time_form, two_digit_years
from custdyn_widgets.mart.mapping.profiles import Column
from custdyn_widgets.render import to_csv

_START = datetime(2026, 1, 5, 9, 0)
CLIENTS = [(str(1001 + i), f"Søren {i}", _START + timedelta(days=i)) for i in range(12)]
PAYMENTS = [
    (str(i), CLIENTS[i % 12][0], _START + timedelta(days=20 + i, hours=i, seconds=i), Decimal(amount))
    for i, amount in enumerate(["50.00", "1234.50", "15000.75", "9.99"] * 4, start=1)
]
CALLS = [
    (str(9000 + i), CLIENTS[i % 12][0], _START + timedelta(days=14 + i, minutes=i), Decimal(i * i + 7) / 4)
    for i in range(60)
]
QUERY = {"interval": {"start": "2026-01-01", "end": "2026-03-31"}, "group_by": ["date"], "currency": "EUR"}
AS_OF = "2026-05-01"

Tables = dict[str, list[list[Any]]]
Write = Callable[[Any], Any]


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def plain(amount: Decimal) -> str:
    return f"{amount:.2f}"


def european(amount: Decimal) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def tables(at: Write = iso, amount: Write = plain, charge: Write | None = None) -> Tables:
    """Return the rows of each file, with times and amounts written in some form."""
    charge = charge or amount
    return {
        "customers": [
            ["Customer No", "Name", "Currency", "Registered"],
            *([key, name, "EUR", at(since)] for key, name, since in CLIENTS),
        ],
        "payments": [
            ["Payment ID", "Customer No", "Paid At", "Amount"],
            *([key, client, at(time), amount(paid)] for key, client, time, paid in PAYMENTS),
        ],
        "calls": [
            ["Call ID", "Customer No", "Call Date", "Cost"],
            *([key, client, at(time), charge(cost)] for key, client, time, cost in CALLS),
        ],
    }


def as_text(rows: list[list[Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def write(folder: Path, data: Tables, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    folder.mkdir()
    for name, rows in data.items():
        (folder / f"{name}.csv").write_bytes(as_text(rows, delimiter).encode(encoding))
    return folder


@pytest.fixture(scope="module")
def expected() -> bytes:
    """The report on the same facts as a mart in memory."""
    import pyarrow as pa

    rows = [(f"p{k}", c, t, "refill", a) for k, c, t, a in PAYMENTS]
    rows += [(f"c{k}", c, t, "usage", -a) for k, c, t, a in CALLS]
    columns = zip(
        ("transaction_id", "client_id", "at", "kind", "amount"), zip(*rows, strict=True), strict=True
    )
    mart = {
        "clients": pa.table(
            {
                "client_id": [key for key, _, _ in CLIENTS],
                "client_type": ["client"] * len(CLIENTS),
                "currency": ["EUR"] * len(CLIENTS),
                "created_at": [since for _, _, since in CLIENTS],
            }
        ),
        "transactions": pa.table({name: list(values) for name, values in columns}),
    }
    return to_csv(run_report(QUERY, mart, as_of=AS_OF), total=True)


def assert_right(folder: Path, expected: bytes, dialect: Dialect | None = None) -> None:
    """Check that the drafted mapping gives the right report, unchanged."""
    source = draft_mapping(folder, dialect or Dialect()).save(folder.parent / "drafted.sql")
    assert to_csv(run_report(QUERY, source, as_of=AS_OF), total=True).decode() == expected.decode()


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "SOURCES", "SNAPSHOTS"):
        monkeypatch.setenv(f"CUSTDYN_{name}", str(tmp_path / name.lower()))


def epoch(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1)).total_seconds())


TIMES: dict[str, Write] = {
    "day and month, local": lambda t: t.strftime("%d.%m.%Y %H:%M:%S"),
    "AM and PM": lambda t: t.strftime("%m/%d/%Y %I:%M:%S %p"),
    "Oracle": lambda t: t.strftime("%d-%b-%y %I.%M.%S.000000000 %p").upper(),
    "SQL*Plus": lambda t: t.strftime("%d-%b-%Y %H:%M:%S").upper(),
    "two digits of the year": lambda t: t.strftime("%d/%m/%y %H:%M:%S"),
    "two digits, month first": lambda t: t.strftime("%m/%d/%y %H:%M:%S"),
    "seconds": lambda t: str(epoch(t)),
    "milliseconds": lambda t: str(epoch(t) * 1000),
    "seconds as a float": lambda t: f"{epoch(t)}.0",
    "days of Excel": lambda t: str(Decimal(epoch(t)) / 86_400 + 25_569)[:18],
    "digits only": lambda t: t.strftime("%Y%m%d%H%M%S"),
}


@pytest.mark.parametrize("form", TIMES)
def test_times_are_read_in_every_form(form: str, tmp_path: Path, expected: bytes) -> None:
    assert_right(write(tmp_path / "export", tables(at=TIMES[form])), expected)


@pytest.mark.parametrize("form", ["seconds", "milliseconds"])
def test_seconds_since_1970_are_instants_in_any_zone(form: str, tmp_path: Path, expected: bytes) -> None:
    folder = write(tmp_path / "export", tables(at=TIMES[form]))
    assert_right(folder, expected, Dialect(timezone="Asia/Tokyo"))


@pytest.mark.parametrize("form", ["Oracle", "two digits of the year", "digits only"])
def test_local_times_in_every_form_follow_the_zone(form: str, tmp_path: Path, expected: bytes) -> None:
    local = tables(at=lambda t: TIMES[form](t + timedelta(hours=9)))
    assert_right(write(tmp_path / "export", local), expected, Dialect(timezone="Asia/Tokyo"))


AMOUNTS: dict[str, tuple[Write, Write]] = {
    "dollar before": (lambda a: f"${a:,.2f}", lambda a: f"-${a:,.2f}"),
    "code before": (lambda a: f"EUR {a:.2f}", lambda a: f"EUR -{a:.2f}"),
    "code after": (lambda a: f"{a:.2f} EUR", lambda a: f"-{a:.2f} EUR"),
    "euro after": (lambda a: f"{european(a)} €", lambda a: f"-{european(a)} €"),
    "minus after": (plain, lambda a: f"{a:.2f}-"),
    "parentheses": (lambda a: f"{a:,.2f}", lambda a: f"({a:,.2f})"),
    "dollar in parentheses": (lambda a: f"${a:,.2f}", lambda a: f"(${a:,.2f})"),
    "CR and DR": (lambda a: f"{a:.2f} CR", lambda a: f"{a:.2f} DR"),
    "thousands with points": (european, european),
}


@pytest.mark.parametrize("form", AMOUNTS)
def test_amounts_are_read_in_every_form(form: str, tmp_path: Path, expected: bytes) -> None:
    assert_right(write(tmp_path / "export", tables(iso, *AMOUNTS[form]), ";"), expected)


def with_ledger(debit: Write, credit: Write) -> Tables:
    rows = [[f"p{k}", c, iso(t), debit(None), credit(a), "Payment"] for k, c, t, a in PAYMENTS]
    rows += [[f"c{k}", c, iso(t), debit(a), credit(None), "Call"] for k, c, t, a in CALLS]
    headings = ["Entry No", "Customer No", "Posting Date", "Debit", "Credit", "Type"]
    return {"customers": tables()["customers"], "ledger": [headings, *rows]}


@pytest.mark.parametrize("blank", ["", "0.00"])
@pytest.mark.parametrize("sign", [1, -1])
def test_credits_less_debits_are_the_amounts(blank: str, sign: int, tmp_path: Path, expected: bytes) -> None:
    data = with_ledger(
        lambda a: blank if a is None else plain(sign * a), lambda a: blank if a is None else plain(a)
    )
    assert_right(write(tmp_path / "export", data), expected)


@pytest.mark.parametrize("clock", ["%H:%M:%S", "%I:%M:%S %p"])
@pytest.mark.parametrize("date", ["%d/%m/%Y", "%Y-%m-%d 00:00:00", "%d-%b-%y"])
def test_the_time_of_day_is_in_a_column_of_its_own(
    clock: str, date: str, tmp_path: Path, expected: bytes
) -> None:
    data = tables()
    for name, rows in (("payments", PAYMENTS), ("calls", CALLS)):
        headings = [*data[name][0][:2], "Date", "Duration", "Time", data[name][0][3]]
        data[name] = [
            headings,
            *([k, c, t.strftime(date), "00:03:10", t.strftime(clock), plain(a)] for k, c, t, a in rows),
        ]
    assert_right(write(tmp_path / "export", data), expected)


def test_words_for_null_are_blank(tmp_path: Path, expected: bytes) -> None:
    for word in (r"\N", "NULL", "(null)"):
        data = tables()
        data["customers"][0].append("Closed")
        for place, row in enumerate(data["customers"][1:]):
            row.append(word if place else "2026-06-01 00:00:00")
        folder = write(tmp_path / f"export {len(word)}", data)
        draft = draft_mapping(folder)
        assert any(c.column == "closed_at" for guess in draft.guesses for c in guess.choices)
        source = draft.save(tmp_path / f"{len(word)}.sql")
        assert to_csv(run_report(QUERY, source, as_of=AS_OF), total=True) == expected


# Files


def workbook(path: Path, data: Tables) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in data.items():
        sheet = book.create_sheet(name.capitalize())
        for row in rows:
            sheet.append(row)
    book.create_sheet("Notes").sheet_state = "hidden"
    book.save(path)


def test_sheets_of_a_workbook_are_tables_with_their_types(tmp_path: Path, expected: bytes) -> None:
    (tmp_path / "export").mkdir()
    data = tables(at=lambda t: t, amount=float)
    for rows in data.values():  # ids are often numbers in Excel
        for row in rows[1:]:
            row[0] = int(row[0])
    workbook(tmp_path / "export" / "billing.xlsx", data)
    assert_right(tmp_path / "export", expected)
    assert_right(tmp_path / "export" / "billing.xlsx", expected)


def test_a_sheet_whose_stated_size_is_wrong_is_read_to_its_end(tmp_path: Path, expected: bytes) -> None:
    workbook(tmp_path / "right.xlsx", tables(at=lambda t: t, amount=float))
    (tmp_path / "export").mkdir()
    with (
        zipfile.ZipFile(tmp_path / "right.xlsx") as right,
        zipfile.ZipFile(tmp_path / "export" / "billing.xlsx", "w") as wrong,
    ):
        for name in right.namelist():
            content = right.read(name)
            stated = re.search(rb'<dimension ref="[^"]*"', content)
            wrong.writestr(name, content.replace(stated[0], b'<dimension ref="A1:D3"') if stated else content)
    assert_right(tmp_path / "export", expected)


def test_workbooks_may_lie_beside_files_with_decimal_commas(tmp_path: Path, expected: bytes) -> None:
    folder = write(tmp_path / "export", {"calls": tables(amount=european)["calls"]}, ";")
    for name, rows in tables(at=lambda t: t, amount=float).items():
        if name != "calls":
            workbook(folder / f"{name}.xlsx", {"Sheet": rows})
    assert_right(folder, expected)


def test_dates_and_times_in_two_columns_of_a_sheet_are_joined(tmp_path: Path, expected: bytes) -> None:
    data = tables(at=lambda t: t, amount=float)
    for name, rows in (("payments", PAYMENTS), ("calls", CALLS)):
        headings = [*data[name][0][:2], "Date", "Time", data[name][0][3]]
        data[name] = [headings, *([k, c, t.date(), t.time(), float(a)] for k, c, t, a in rows)]
    (tmp_path / "export").mkdir()
    workbook(tmp_path / "export" / "billing.xlsx", data)
    assert_right(tmp_path / "export", expected)


def test_binary_fractions_of_a_sheet_have_the_digits_that_excel_shows(tmp_path: Path) -> None:
    data = tables(at=lambda t: t, amount=float)
    data["payments"] = [data["payments"][0], [1, "1001", _START + timedelta(days=1), 0.1 + 0.2]]
    workbook(tmp_path / "billing.xlsx", data)
    mart = check_source(draft_mapping(tmp_path / "billing.xlsx").save(tmp_path / "drafted.sql"))
    assert 300_000 in mart.tables["transactions"].columns["amount"].tolist()


def sheet_error(tmp_path: Path, change: Callable[[Tables], None]) -> str:
    data = tables()
    change(data)
    (tmp_path / "export").mkdir()
    workbook(tmp_path / "export" / "billing.xlsx", data)
    with pytest.raises(SourceError) as raised:
        draft_mapping(tmp_path / "export")
    return raised.value.message


def test_a_title_above_the_headings_of_a_sheet_is_named(tmp_path: Path) -> None:
    message = sheet_error(tmp_path, lambda data: data["calls"].insert(0, ["Calls 2026"]))
    assert "billing.xlsx, sheet 'Calls', row 2: 'Customer No' is in a column without a heading" in message


def test_sheets_and_files_with_one_name_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "export", tables())
    workbook(folder / "more.xlsx", tables())
    with pytest.raises(SourceError, match="would become the table customers, which already exists"):
        draft_mapping(folder)


def test_a_file_that_is_no_workbook_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "billing.xlsx").write_bytes(b"\xd0\xcf\x11\xe0 encrypted")
    with pytest.raises(SourceError, match=r"billing\.xlsx.*save it as \.xlsx, without a password"):
        draft_mapping(tmp_path)


def test_folders_of_parts_are_tables(tmp_path: Path, expected: bytes) -> None:
    for name, rows in tables().items():
        folder = tmp_path / "export" / f"{name}.csv"
        folder.mkdir(parents=True)
        half = len(rows) // 2
        for number, part in enumerate((rows[1:half], rows[half:])):
            text = as_text([rows[0], *part])
            (folder / f"part-0000{number}-7f.csv.gz").write_bytes(gzip.compress(text.encode()))
        (folder / "_SUCCESS").touch()
    assert_right(tmp_path / "export", expected)


@pytest.mark.parametrize(
    ("inner", "words"), [("_temporary", "still being written"), ("month=1", "without partitions")]
)
def test_incomplete_and_partitioned_folders_are_errors(tmp_path: Path, inner: str, words: str) -> None:
    folder = write(tmp_path / "export", tables())
    (folder / "more" / inner).mkdir(parents=True)
    with pytest.raises(SourceError, match=words):
        draft_mapping(folder)


def test_archives_are_read(tmp_path: Path, expected: bytes) -> None:
    (tmp_path / "export").mkdir()
    for name, rows in tables().items():
        with zipfile.ZipFile(tmp_path / "export" / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.csv", as_text(rows))
    assert_right(tmp_path / "export", expected)


def test_utf_16_without_a_mark_names_the_setting(tmp_path: Path, expected: bytes) -> None:
    folder = write(tmp_path / "export", tables(), "\t", "utf-16-le")
    result = CliRunner().invoke(cli.main, ["mapping", "new", "shop", str(folder)])
    assert "calls.csv seems to be UTF-16-LE" in result.output
    assert "--encoding" in result.output
    assert_right(folder, expected, Dialect(encoding="utf-16-le"))


def test_a_name_that_cannot_be_used_is_said_before_the_files_are_read(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["mapping", "new", "our shop", str(tmp_path / "none")])
    assert result.exit_code != 0
    assert "A source cannot be named 'our shop'" in result.output


def test_backslashes_are_named_with_their_row(tmp_path: Path) -> None:
    data = tables()
    data["customers"][3][1] = "a\\\tb"
    folder = write(tmp_path / "tabs", data, "\t")
    (folder / "customers.csv").write_text("\n".join("\t".join(row) for row in data["customers"]))
    with pytest.raises(SourceError, match=r"customers\.csv: .*row 4 has 5 cells.*ESCAPED BY"):
        draft_mapping(folder)
    folder = write(tmp_path / "quotes", tables())
    (folder / "customers.csv").write_text('"No","Name"\n"1","a \\"b\\", c"\n"2","d"\n')
    with pytest.raises(SourceError, match=r"customers\.csv: .*row 2.*ESCAPED BY") as raised:
        draft_mapping(folder)
    assert str(tmp_path) not in raised.value.message


# What is not read is said


def test_files_in_another_format_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "export", tables())
    (folder / "fees.json").write_text("[]")
    assert any("Not read (please check): 'fees.json'" in remark for remark in draft_mapping(folder).remarks)


def test_a_table_that_cannot_be_used_says_which_value_is_why(tmp_path: Path) -> None:
    data = tables()
    for row in data["calls"][1:]:
        row[3] += " each"
    draft = draft_mapping(write(tmp_path / "export", data))
    remark = next(remark for remark in draft.remarks if "calls" in remark)
    assert "(please check): '1.75 each' in 'Cost', row 1 of the data, is not an amount" in remark
    assert f"-- {remark}" in draft.sql()


def test_amounts_in_the_currencies_of_a_column_are_to_be_checked(tmp_path: Path) -> None:
    data = tables()
    data["payments"][0].append("Currency")
    for place, row in enumerate(data["payments"][1:]):
        row.append("usd" if place % 2 else "EUR")
    folder = write(tmp_path / "export", data)
    remarks = [r for r in draft_mapping(folder).remarks if r.startswith("Currencies")]
    assert len(remarks) == 1
    assert "(please check): payments has amounts in EUR, USD" in remarks[0]


def test_a_row_of_totals_below_the_data_is_named(tmp_path: Path) -> None:
    data = tables()
    data["calls"] = [*data["calls"][:4], ["", "", "Total", "99.00"]]
    (remark,) = (r for r in draft_mapping(write(tmp_path / "export", data)).remarks if "calls" in r)
    assert "'Total' in 'Call Date', row 4 of the data, is not a time" in remark


def test_amounts_in_several_currencies_are_not_summed(tmp_path: Path) -> None:
    data = tables()
    for place, row in enumerate(data["calls"][1:]):
        row[3] = f"{'$' if place % 2 else '€'}{row[3]}"
    (remark,) = (r for r in draft_mapping(write(tmp_path / "export", data)).remarks if "calls" in r)
    assert "in several currencies" in remark


def test_a_few_values_that_cannot_be_read_are_faults_of_the_check(tmp_path: Path) -> None:
    data = tables()
    data["calls"][30][3] = "n/k"
    folder = write(tmp_path / "export", data)
    source = draft_mapping(folder).save(tmp_path / "drafted.sql")
    with pytest.raises(SourceError, match=r"drafted\.sql, transactions: .*'n/k'.*calls.*'Cost'"):
        check_source(source)


def test_files_without_headings_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "export", {name: rows[1:] for name, rows in tables().items()})
    with pytest.raises(SourceError, match=r"customers: the first row contains '1001', so the headings seem"):
        draft_mapping(folder)


def test_a_ledger_without_headings_does_not_lose_its_first_row(tmp_path: Path) -> None:
    data = tables()
    del data["calls"][0]
    with pytest.raises(SourceError, match=r"calls: the first row contains '9000', so the headings seem"):
        draft_mapping(write(tmp_path / "export", data))


def test_a_currency_that_is_removed_is_to_be_checked(tmp_path: Path) -> None:
    draft = draft_mapping(write(tmp_path / "export", tables(iso, *AMOUNTS["dollar before"])))
    amounts = [c for guess in draft.guesses for c in guess.choices if c.column == "amount"]
    assert {c.certainty for c in amounts} == {"please check"}
    assert "'$' is removed; it must be the clients' currency" in amounts[0].why


# Forms


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1,250.00", "1,250.00"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("($5.10)", "-5.10"),
        ("5.10-", "-5.10"),
        ("R$ 5,10", "5,10"),
        ("5 zł", "5"),
        ("+5", "5"),
        ("5 GB", None),
        ("(5", None),
        ("-5-", None),
        ("-(5)", None),
        ("5%", None),
        ("$5 EUR", None),
        ("1e5", None),
        ("-", None),
        ("", None),
    ],
)
def test_amounts_are_taken_apart(value: str, number: str | None) -> None:
    found = plain_amount(value)
    assert (found and found[0]) == number


@pytest.mark.parametrize("values", [["26-01-05", "26-01-06", "26-01-07"], ["01/02/69"], ["5/1/2026"]])
def test_years_of_two_digits_are_read_only_where_they_are_last(values: list[str]) -> None:
    assert two_digit_years(values) is None


@pytest.mark.parametrize("values", [["1234567"], ["380441112233"], ["05-FOO-26"], ["20261301"], []])
def test_other_values_are_no_times(values: list[str]) -> None:
    assert time_form(values) is None


def test_ids_and_phone_numbers_are_no_times() -> None:
    assert not Column("t", "Phone", ("1767225600", "1767225601")).is_time
    assert Column("t", "Created", ("1767225600", "1767225601")).is_time


def test_a_draft_of_any_form_is_json(tmp_path: Path) -> None:
    folder = write(tmp_path / "export", tables(TIMES["Oracle"], *AMOUNTS["CR and DR"]))
    assert json.dumps(draft_mapping(folder).to_dict())


def test_blank_and_repeated_headings_of_a_sheet_are_numbered() -> None:
    assert workbooks._headings(["id", None, "Id", "", None]) == ["id", "column 2", "Id 3"]


def test_cells_of_a_sheet_are_read_as_what_they_are(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "flag", "share", "day", "clock", "mixed", None, None])
    sheet.append([7, True, 0.1, date(2026, 1, 5), time(9, 30), 1])
    sheet.append([])
    sheet.append([8, False, 2, datetime(2026, 1, 6, 10, 0), None, "x", None, None])
    hidden = book.create_sheet("hidden")
    hidden.append(["other"])
    hidden.sheet_state = "hidden"
    book.create_sheet("empty")
    book.save(tmp_path / "book.xlsx")
    [found] = workbooks.read_sheets(tmp_path / "book.xlsx", tmp_path)
    assert found.name == sheet.title
    assert duckdb.sql(found.query).fetchall() == [
        ("7", "TRUE", Decimal("0.1"), datetime(2026, 1, 5), "09:30:00", "1"),
        ("8", "FALSE", Decimal(2), datetime(2026, 1, 6, 10), None, "x"),
    ]
    sheet.append([9, None, None, None, None, None, None, "beside"])
    book.save(tmp_path / "book.xlsx")
    with pytest.raises(SourceError, match="row 5: 'beside' is in a column without a heading"):
        workbooks.read_sheets(tmp_path / "book.xlsx", tmp_path)
