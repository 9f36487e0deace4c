"""CSV files as other systems export them are read like the mart, or rejected with the setting to use."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from custdyn_widgets import Dialect, Source
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.written_forms import iso_times, plain_numbers
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.source_check import check_source
from tests import mart_forms, oracle, strategies
from tests.dialect_forms import Writing, write
from tests.engine.test_golden import GOLDEN
from tests.golden_answers import MARTS, wrong_cells_of
from tests.mart.test_ledger import same
from tests.mart.test_mart import CSV, EVERYONE, faults, folder

pytestmark = pytest.mark.usefixtures("own_cache")

fewer = settings(max_examples=max(1, settings.default.max_examples // 8))  # whole marts are written and read
KYIV = Writing(Dialect(";", ",", None, "DMY", "Europe/Kyiv"))
FORMS = (("", "as they are"), (".gz", "words"), (".zip", "hyphens"))


@st.composite
def writings(draw: st.DrawFn) -> Writing:
    decimal = draw(st.sampled_from((".", ",")))
    packed, headings = draw(st.sampled_from(FORMS))
    encoding = draw(st.sampled_from((None, "utf-8-sig", "utf-16", "cp1252", "utf-16-le")))
    dates = draw(st.sampled_from(("DMY", "MDY", "YMD")))
    zone = draw(st.sampled_from(strategies.ZONES))
    return Writing(
        Dialect(draw(st.sampled_from((",", ";", "\t", "|"))), decimal, encoding, dates, zone),
        thousands=draw(st.sampled_from(("", "'", " ", "\u00a0", "." if decimal == "," else ","))),
        between=draw(st.sampled_from("/.-")),
        clock=draw(st.sampled_from(("%H:%M:%S", "%I:%M:%S %p"))),
        excel=draw(st.booleans()),
        packed=packed,
        headings=headings,
        quote_all=draw(st.booleans()),
    )


def outcome(source: Any) -> Any:
    try:
        return open_mart(source).facts
    except SourceError as error:
        return error


@fewer
@given(strategies.cases(), writings())
def test_a_mart_written_in_any_dialect_is_the_same_mart(
    tmp_path_factory: pytest.TempPathFactory, case: strategies.Case, writing: Writing
) -> None:
    exported = write(case.mart, tmp_path_factory.mktemp("exported"), writing)
    plain = open_mart(mart_forms.frames(case.mart)).facts
    same(open_mart(Source(exported, dialect=writing.dialect)).facts, plain)


@fewer
@given(strategies.cases(), writings())
def test_a_guess_is_right_or_refused(
    tmp_path_factory: pytest.TempPathFactory, case: strategies.Case, writing: Writing
) -> None:
    assume(writing.dialect.encoding not in ("cp1252", "utf-16-le"))
    exported = write(case.mart, tmp_path_factory.mktemp("exported"), writing)
    found = outcome(Source(exported, dialect=Dialect(timezone=writing.dialect.timezone)))
    if isinstance(found, SourceError):
        assert found.field in ("decimal", "dates")
    else:
        same(found, open_mart(mart_forms.frames(case.mart)).facts)


@pytest.mark.parametrize("guessed", [False, True], ids=["set", "guessed"])
@pytest.mark.parametrize("name", MARTS)
def test_golden_marts_give_the_same_tables_from_a_local_export(
    name: str, guessed: bool, tmp_path: Path
) -> None:
    mart = oracle.read_mart(GOLDEN / name / "mart")
    exported = write(mart, tmp_path, KYIV)
    dialect = Dialect(timezone="Europe/Kyiv") if guessed else KYIV.dialect
    assert not wrong_cells_of(name, Source(exported, dialect=dialect))


# Values


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize(
    ("mark", "written", "plain"),
    [
        (",", "1234,5", "1234.5"),
        (",", "-1.234.567,80", "-1234567.80"),
        (",", "1 234,5", "1234.5"),
        (",", "1\u00a0234,5", "1234.5"),
        (",", "1\u202f234,5", "1234.5"),
        (",", "1'234,5", "1234.5"),
        (",", "1\u2019234", "1234"),
        (",", "\u22125,25", "-5.25"),
        (",", " 7,5 ", "7.5"),
        (",", ",5", ".5"),
        (",", "5,", "5"),
        (",", "12", "12"),
        (",", "1,234", "1.234"),
        (",", "1.234", "1234"),
        (".", "1.234", "1.234"),
        (".", "1,234", "1234"),
        (".", "1,234,567.5", "1234567.5"),
        (".", "12", "12"),
        # Left as they are, to be faults:
        (".", "1,5", "1,5"),
        (".", "12,34.5", "12,34.5"),
        (",", "1.23,5", "1.23,5"),
        (",", "1 23,5", "1 23,5"),
        (",", "1.234 567,5", "1.234 567,5"),
        (",", "0.123,5", "0.123,5"),
        (",", "1,2,3", "1,2,3"),
        (",", "5 EUR", "5 EUR"),
        (",", "1e5", "1e5"),
        (",", "", ""),
        (",", None, None),
        # With a decimal comma, a point that separates no thousands must not be read as a decimal point:
        (",", "1.5", "\x001.5"),
        (",", "0.851", "\x000.851"),
    ],
)
def test_numbers_become_plain_decimals(kind: pa.DataType, mark: Any, written: str, plain: str) -> None:
    found = plain_numbers(pa.array([written, "x"], kind), mark)
    assert (found.type, found.to_pylist()) == (kind, [plain, "x"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize(
    ("order", "written", "iso"),
    [
        ("DMY", "31/12/2021", "2021-12-31"),
        ("DMY", "1.2.2021 9:05", "2021-02-01T09:05:00"),
        ("DMY", "01-02-2021 23:59:59.25", "2021-02-01T23:59:59.25"),
        ("DMY", "01/02/2021, 10:00", "2021-02-01T10:00:00"),
        ("DMY", "01/02/2021T10:00:00Z", "2021-02-01T10:00:00Z"),
        ("DMY", "01/02/2021 10:00:00 +02:00", "2021-02-01T10:00:00+02:00"),
        ("MDY", "12/31/2021 1:05 PM", "2021-12-31T13:05:00"),
        ("MDY", "1/2/2021 12:05\u202fam", "2021-01-02T00:05:00"),
        ("MDY", "1/2/2021 12:05:06 p.m.", "2021-01-02T12:05:06"),
        ("YMD", "2021/12/31 10:00", "2021-12-31T10:00:00"),
        ("YMD", "2021-12-31 9:05", "2021-12-31T09:05:00"),
        ("DMY", "2021-12-31T10:00:00Z", "2021-12-31T10:00:00Z"),
        ("DMY", "44561.5208333333", "2021-12-31 12:30:00.000"),
        ("YMD", "44561,25", "2021-12-31 06:00:00.000"),
        ("YMD", "44561", "2021-12-31 00:00:00.000"),
        # Left as they are, to be faults or ISO 8601:
        ("YMD", "31/12/2021", "31/12/2021"),
        ("MDY", "1/2/2021 13:05 PM", "1/2/2021 13:05 PM"),
        ("DMY", "31/12/21", "31/12/21"),
        ("DMY", "20211231", "20211231"),
        ("DMY", "2021-W52", "2021-W52"),
        ("DMY", "1640995200", "1640995200"),
        ("DMY", "", ""),
        ("DMY", None, None),
    ],
)
def test_times_become_iso_8601(kind: pa.DataType, order: Any, written: str, iso: str) -> None:
    found = iso_times(pa.array([written, "x"], kind), order)
    assert (found.type, found.to_pylist()) == (kind, [iso, "x"])


def tables(at: Any, amount: Any, created: str = "2021-01-01T00:00:00Z", rates: Any = ()) -> dict[str, Any]:
    ids = [f"t{i}" for i in range(len(amount))]
    days = pd.date_range("2021-01-01", periods=len(rates)).astype(str)
    return {
        "clients": pd.DataFrame(
            {"client_id": ["A"], "client_type": "client", "currency": "USD", "created_at": created}
        ),
        "transactions": pd.DataFrame(
            {"transaction_id": ids, "client_id": "A", "at": at, "kind": "refill", "amount": amount}
        ),
        "rates": pd.DataFrame({"currency": "EUR", "date": days, "units_per_base": rates, "base": "USD"}),
    }


ISO = "2021-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        (tables(["01/02/2021"], ["1"]), "dates",
         "transactions, at: '01/02/2021' may be 1 February or 2 January 2021. Set dates = \"DMY\" or "
         "dates = \"MDY\" for the source"),
        (tables(["13/02/2021", "02/13/2021"], ["1", "2"]), "dates",
         "transactions, at: '13/02/2021' and '02/13/2021' are in different formats. Set dates"),
        (tables(ISO, ["1,234"]), "decimal",
         "transactions, amount: '1,234' may be 1234 or 1.234. Set decimal = \",\" or decimal = \".\" for"),
        (tables(ISO, ["1,5"], rates=["1.234"]), "decimal", "rates, units_per_base: '1.234' may be 1234 or"),
        (tables(ISO, ["1,5", "2,5", "1.5"]), "decimal",
         "transactions, amount: '1,5' and '1.5' are in different formats. Set decimal"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_an_error_that_names_value_and_setting(
    given: dict[str, Any], field: str, words: str
) -> None:
    for source in (given, Source(given, on_fault="quarantine")):
        for use in (check_source, open_mart):
            with pytest.raises(SourceError) as caught:
                use(source)
            assert caught.value.field == field
            assert caught.value.message.startswith(words)


@pytest.mark.parametrize(
    ("given", "guessed", "amounts", "first"),
    [
        (tables(["13/02/2021", "01/02/2021"], ["1,5", "2"]), ("decimal ','", "dates 'DMY'"),
         [1_500_000, 2_000_000], "2021-02-13"),
        (tables(["02/13/2021", "01/02/2021"], ["1,000.5", "1,000"]), ("decimal '.'", "dates 'MDY'"),
         [1_000_500_000, 1_000_000_000], "2021-02-13"),
        (tables(["05/05/2021"], ["1 000"]), ("decimal '.'", "dates 'DMY'"), [1_000_000_000], "2021-05-05"),
        (tables(["44561", "44562"], ["1", "2"]), ("dates 'YMD'",), [1_000_000, 2_000_000], "2021-12-31"),
        (tables(ISO, ["1,5", "2,345"]), ("decimal ','",), [1_500_000, 2_345_000], "2021-03-01"),
        (tables(ISO, ["1,5", "2.345"]), ("decimal ','",), [1_500_000, 2_345_000_000], "2021-03-01"),
        (tables(ISO, ["1,5", "2"], rates=["1.234", "1.2"]), ("decimal ','",), [1_500_000, 2_000_000],
         "2021-03-01"),
    ],
)  # fmt: skip
def test_what_is_certain_is_read_and_noted(
    given: dict[str, Any], guessed: tuple[str, ...], amounts: list[int], first: str
) -> None:
    mart = check_source(given)
    assert mart.faults == []
    ledger = mart.tables["transactions"]
    assert ledger.columns["amount"].tolist() == amounts
    assert pd.Timestamp(ledger.columns["at"][0] * 1000).date().isoformat() == first
    [note] = [note for note in mart.notes if note.kind == "guessed_dialect"]
    assert note.startswith(f"transactions was read with {' and '.join(guessed)}, detected from the data.")
    assert note.figures == {"files": ["transactions"], "guessed": list(guessed)}
    open_mart(given)


@pytest.mark.parametrize("row", [0, 999, 1000, 2500])
def test_a_value_anywhere_decides(row: int) -> None:
    amounts = ["5"] * 2501
    amounts[row] = "1,5"
    mart = check_source(tables(ISO, amounts))
    assert mart.faults == []
    assert mart.tables["transactions"].columns["amount"][row] == 1_500_000


def test_values_in_another_form_are_not_listed_as_faults_first(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    real = CheckedTable.fault
    monkeypatch.setattr(CheckedTable, "fault", lambda *given: listed.append(1) or real(*given))
    check_source(tables(["13/02/2021"] * 3000, ["1,5"] * 3000))
    assert not listed


def test_a_query_says_what_was_guessed_when_it_reads_the_files(tmp_path: Path) -> None:
    asked = ("query", "-s", str(tmp_path), "--interval", "2021-01-01/2021-03-31", "--as-of", "2021-04-01")
    folder(tmp_path, transactions=re.sub(r",(-?\d+)\.(\d+),", r',"\1,\2",', CSV["transactions"]))
    result = CliRunner().invoke(cli.main, asked)
    assert result.exit_code == 0, result.output
    assert "transactions.csv was read with decimal ',', detected from the data." in result.stderr


def test_one_file_decides_for_those_that_decide_nothing() -> None:
    mart = check_source(tables(["13/02/2021"], ["1,5"], created="01/02/2021", rates=["1,234"]))
    assert mart.tables["clients"].columns["created_at"].tolist() == [1612137600 * 10**6]
    assert [str(quote) for quote in mart.tables["rates"].columns["units_per_base"]] == ["1.234"]
    decided = tables(["13/02/2021"], ["1"], created="01/02/2021")
    decided["rates"] = pd.DataFrame(
        {"currency": "EUR", "date": ["02/13/2021"], "units_per_base": "2", "base": "USD"}
    )
    with pytest.raises(SourceError, match="clients, created_at: '01/02/2021' may be 1 February or 2 January"):
        check_source(decided)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            tables(["31/12/2021", ISO, ISO], ["1", "2", "3"]),
            "row 1, at: '31/12/2021' is not an ISO 8601 time",
        ),
        (tables(ISO, ["1,5", "2.5", "3.5"]), "row 1, amount: '1,5' is not a plain decimal number"),
        (tables(ISO, ["1,234", "2.5", "3.5"]), "row 1, amount: '1,234' is not a plain decimal number"),
        (
            tables(["44561", ISO, ISO], ["1", "2", "3"]),
            "row 1, at: '44561' looks like a spreadsheet's day number, not an ISO 8601 time",
        ),
    ],
)
def test_a_few_values_of_another_form_remain_faults(given: dict[str, Any], fault: str) -> None:
    assert [str(f) for f in check_source(given).faults] == [f"transactions, {fault}"]


def test_faults_show_values_as_they_are_written() -> None:
    given = tables(
        ["31/12/2021", "30/02/2021", "12/31/2021"], ["1,5", "1.5", "2,1234567"], created="1/1/2021"
    )
    dialect = Dialect(decimal=",", dates="DMY")
    assert [str(f) for f in check_source(Source(given, dialect=dialect)).faults] == [
        "transactions, row 2, at: '30/02/2021' is not an ISO 8601 time",
        "transactions, row 2, amount: '1.5' is not a number with a decimal comma",
        "transactions, row 3, at: '12/31/2021' is not an ISO 8601 time",
        "transactions, row 3, amount: '2,1234567' has more than 6 decimal places",
    ]


def test_a_setting_is_followed_where_values_prove_nothing() -> None:
    given = tables(["01/02/2021"], ["1,234"])
    for order, month in (("DMY", 2), ("MDY", 1)):
        for mark, amount in ((",", 1_234_000), (".", 1_234_000_000)):
            mart = check_source(Source(given, dialect=Dialect(decimal=mark, dates=order)))
            assert pd.Timestamp(mart.tables["transactions"].columns["at"][0] * 1000).month == month
            assert mart.tables["transactions"].columns["amount"].tolist() == [amount]
            assert not [note for note in mart.notes if note.kind == "guessed_dialect"]


# Files


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_found_and_noted(
    tmp_path: Path, delimiter: str, mark: str, quoting: int
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows(csv.reader(io.StringIO(CSV["clients"])))
    mart = check_source(folder(tmp_path, clients=mark + out.getvalue()))
    assert mart.faults == []
    [note] = [note for note in mart.notes if note.kind == "guessed_dialect"]
    assert note.startswith(f"clients.csv was read with delimiter {delimiter!r}, detected from the data.")
    assert mart.tables["clients"].columns["name"].to_pylist() == ["One", None, "Three"]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=,", "sep=\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_hint_for_excel_gives_the_delimiter(tmp_path: Path, line: str, encoding: str) -> None:
    text = CSV["clients"].replace(";", ":").replace(",", line.strip('"')[-1])
    assert faults(folder(tmp_path, clients=f"{line}\r\n{text}".encode(encoding))) == []


def test_quoted_cells_keep_delimiters_and_line_breaks(tmp_path: Path) -> None:
    text = 'package_id;name\np1;"a;\nb ""c"""\np2;d\n'
    for data in (text.encode(), text.encode("utf-16"), gzip.compress(text.encode())):
        mart = check_source(folder(tmp_path, packages=data))
        assert mart.tables["packages"].columns["name"].to_pylist() == ['a;\nb "c"', "d"]
    wrong = 'package_id;name\np1;"a\np2;d\n'
    with pytest.raises(SourceError, match=r"packages\.csv: the row that starts on line 2"):
        check_source(folder(tmp_path, packages=wrong))


def test_rows_of_the_wrong_length_are_faults_in_any_dialect(tmp_path: Path) -> None:
    source = folder(tmp_path, packages="package_id;name\np1;Gold;x\np2;Silver\n")
    assert faults(source) == ["packages.csv, row 2: 'p1;Gold;x' has 3 cells, but there are 2 columns"]


def test_headings_in_another_case_are_read_only_beside_another_sign_of_a_dialect(tmp_path: Path) -> None:
    headings, _, rows = CSV["packages"].partition("\n")
    assert headings == "package_id,name"
    plain = f"Package ID,Name\n{rows}"
    assert any("resembles the column" in fault for fault in faults(folder(tmp_path, packages=plain)))
    for source in (
        folder(tmp_path / "semicolons", packages=plain.replace(",", ";")),
        folder(tmp_path / "packed", packages=gzip.compress(plain.encode())),
        Source(folder(tmp_path / "set", packages=plain), dialect=Dialect(delimiter=",")),
    ):
        mart = check_source(source)
        assert mart.faults == []
        [note] = [note for note in mart.notes if note.kind == "guessed_dialect"]
        assert "heading 'Package ID' for package_id and heading 'Name' for name" in note
    doubled = folder(tmp_path, packages="Package ID;package-id;name\np1;p2;x\n")
    assert {f.column for f in check_source(doubled).faults} >= {"Package ID", "package-id"}


def test_a_delimiter_that_a_file_does_not_have_is_named(tmp_path: Path) -> None:
    source = Source(folder(tmp_path), dialect=Dialect(delimiter=";"))
    with pytest.raises(
        SourceError, match=r"clients\.csv: the delimiter seems to be ',', but the source sets ';'"
    ):
        check_source(source)


@pytest.mark.parametrize("name", ["clients.csv.gz", "clients.csv.zip", "clients.zip"])
def test_packed_files_are_read(tmp_path: Path, name: str) -> None:
    data = CSV["clients"].encode()
    source = folder(tmp_path, clients=None)
    if name.endswith(".gz"):
        (source / name).write_bytes(gzip.compress(data))
    else:
        with zipfile.ZipFile(source / name, "w") as archive:
            archive.writestr("__MACOSX/._export.csv", b"x")
            archive.writestr("out/export.csv", data)
    assert faults(source) == []
    assert list(check_source(source).tables) == list(check_source(folder(tmp_path / "plain")).tables)
    report = run_report(EVERYONE, source, as_of="2021-04-01")
    assert report.rows == run_report(EVERYONE, tmp_path / "plain", as_of="2021-04-01").rows


def test_damaged_and_ambiguous_archives_are_errors(tmp_path: Path) -> None:
    source = folder(tmp_path, clients=None)
    packed = gzip.compress(CSV["clients"].encode() * 1000)
    for data in (packed[: len(packed) // 2], packed[:-8] + b"\0" * 8, packed[:3] + b"\0" * 100):
        (source / "clients.csv.gz").write_bytes(data)
        with pytest.raises(SourceError, match=r"clients\.csv\.gz cannot be unpacked"):
            check_source(source)
    (source / "clients.csv.gz").unlink()
    with zipfile.ZipFile(source / "clients.zip", "w") as archive:
        archive.writestr("a.csv", CSV["clients"])
        archive.writestr("b.csv", CSV["clients"])
    with pytest.raises(SourceError, match=r"clients\.zip must contain one CSV file, but it contains 2"):
        check_source(source)
    (source / "clients.csv.gz").write_bytes(packed)
    with pytest.raises(
        SourceError, match=r"has the table clients twice, as clients\.csv\.gz and clients\.zip"
    ):
        check_source(source)


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for data in (CSV["clients"].encode("utf-16"), b"\xff\xfea\0,", gzip.compress(b"x")[:-4]):
        outcome(folder(tmp_path / "mart", clients=data))
        assert list((tmp_path / "tmp").iterdir()) == []


def test_a_byte_that_is_not_in_the_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    text = CSV["clients"].replace("Three", "Dr\x81").encode("latin-1")
    with pytest.raises(
        SourceError, match=r"clients\.csv, line 4: byte 0x81 is not valid in the encoding 'cp1252'"
    ) as caught:
        check_source(Source(folder(tmp_path, clients=text), dialect=Dialect(encoding="cp1252")))
    assert caught.value.field == "encoding"


def test_a_byte_order_mark_is_stronger_than_the_encoding_of_the_source(tmp_path: Path) -> None:
    text = CSV["clients"].replace("Three", "Dré")
    for data in (text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("cp1252")):
        source = Source(folder(tmp_path, clients=data), dialect=Dialect(encoding="cp1252"))
        assert check_source(source).tables["clients"].columns["name"].to_pylist()[2] == "Dré"


def test_plain_files_are_read_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("a plain mart needs no guess and no copy")

    monkeypatch.setattr("custdyn_widgets.mart.checking.guessing.guess_dialects", unwanted)
    monkeypatch.setattr("custdyn_widgets.mart.reading.csv_text.NamelessFile", unwanted)
    assert faults(folder(tmp_path)) == []
    open_mart(folder(tmp_path))
