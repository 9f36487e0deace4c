"""A mapping turns exported files into a mart with SELECTs, and can do nothing else."""

from __future__ import annotations

import gzip
import json
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets import Dialect, ReportQuery, Source
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.mapping.exports import delimiter_of
from custdyn_widgets.mart.mapping.macros import macros
from custdyn_widgets.mart.mapping.mapped import mapped_mart
from custdyn_widgets.mart.mapping.sql_file import parse_mapping, shipped_mapping, shipped_systems
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import resolve_source
from tests import oracle
from tests.dialect_forms import write
from tests.engine.test_golden import GOLDEN
from tests.golden_answers import MARTS, wrong_cells_of
from tests.mart.test_dialects import KYIV

CUSTOMERS = "No;Name;Opened\n1;Anna;2024-01-05\n2;Боб;2024-02-10\n"
CALLS_1 = "No;When;Price\n1;2024-03-01 10:00;1,25\n"
CALLS_2 = "No;When;Price\n2;2024-04-01 10:00;0,75\n1;2024-04-02 10:00;1.000,5\n"
MAPPING = """My mapping.
-- :name clients
SELECT No AS client_id, Name AS name, 'client' AS client_type, 'EUR' AS currency, Opened AS created_at
FROM customers;

-- :name transactions
SELECT 'call:' || row_number() OVER () AS transaction_id, No AS client_id, "When" AS at, 'usage' AS kind,
  -number(Price) AS amount
FROM calls

-- :count {n} calls cost more than 1.
SELECT count(*) FROM calls WHERE number(Price) > 1
"""
QUERY = ReportQuery(interval={"start": "2024-01-01", "end": "2024-12-31"}, group_by=["month"])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    for name, text in (
        ("customers.csv", CUSTOMERS),
        ("Calls 2024-03.csv", CALLS_1),
        ("Calls 2024-04.csv", CALLS_2),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def source(export: Path, sql: str = MAPPING, **dialect: str) -> Source:
    mapping = export.parent / "mine.sql"
    mapping.write_text(sql, encoding="utf-8")
    return Source(export, mapping=mapping, dialect=Dialect(**{"decimal": ",", **dialect}))


def spent(of: Source) -> Decimal:
    columns = list(run_report(QUERY, of, as_of="2025-01-01").table["Pay As You Go", "Total"])
    return sum(columns, Decimal(0))


def test_exports_become_a_report(export: Path) -> None:
    assert spent(source(export)) == Decimal("1002.5")


def test_counts_are_notes_of_a_check(export: Path) -> None:
    assert "2 calls cost more than 1." in check_source(source(export)).notes


def test_a_count_of_nothing_is_not_told(export: Path) -> None:
    notes = check_source(source(export, MAPPING.replace("> 1\n", "> 9000\n"))).notes
    assert not [note for note in notes if "cost more" in note]


@pytest.mark.parametrize("value", ["'many'", "0.5", "'inf'"])
def test_a_count_of_no_whole_number_is_an_error(export: Path, value: str) -> None:
    with pytest.raises(
        SourceError, match=r"count “.*”: the SELECT returns .*, not a whole number; use count\(\*\)\.$"
    ):
        check_source(source(export, f"{MAPPING}\n-- :count {{n}} things\nSELECT {value}\n"))


def test_a_changed_file_is_read_again(export: Path) -> None:
    assert spent(source(export)) == Decimal("1002.5")
    (export / "Calls 2024-04.csv").write_text("No;When;Price\n2;2024-04-01 10:00;2\n", encoding="utf-8")
    assert spent(source(export)) == Decimal("3.25")


def test_a_changed_mapping_is_run_again(export: Path) -> None:
    assert spent(source(export)) == Decimal("1002.5")
    assert spent(source(export, MAPPING.replace("-number(Price)", "-2 * number(Price)"))) == Decimal("2005")


def test_marts_of_earlier_files_are_removed_an_hour_later(export: Path, tmp_path: Path) -> None:
    assert spent(source(export)) == Decimal("1002.5")
    [own] = (tmp_path / "cache" / "mapped").glob("*/*")
    for name, age in (("recent", 3500), ("abandoned", 3700)):
        (own.parent / name).mkdir()
        then = time.time() - age
        os.utime(own.parent / name, (then, then))
    check_source(source(export, MAPPING.replace("-number(Price)", "-2 * number(Price)")))
    found = {folder.name for folder in own.parent.iterdir()}
    assert own.name in found
    assert found - {own.name} > {"recent"}
    assert "abandoned" not in found


def test_a_count_without_rows_is_not_told(export: Path) -> None:
    sql = f"{MAPPING}\n-- :count {{n}} things\nSELECT 5 WHERE 1 = 0\n-- :count {{n}} more\nSELECT NULL\n"
    assert not [note for note in check_source(source(export, sql)).notes if note.endswith(("things", "more"))]


def test_a_changed_dialect_is_seen(export: Path) -> None:
    (export / "Calls 2024-04.csv").write_text("No;When;Price\n2;2024-04-01 10:00;1.000\n", encoding="utf-8")
    (export / "Calls 2024-03.csv").unlink()
    sql = MAPPING.replace("FROM calls", "FROM calls_2024_04")
    assert spent(source(export, sql)) == 1000
    assert spent(source(export, sql, decimal=".")) == 1


def test_an_unchanged_source_is_mapped_once(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_report(QUERY, source(export), as_of="2025-01-01")
    monkeypatch.setattr("custdyn_widgets.mart.mapping.running.write_mart", None)
    run_report(QUERY, source(export), as_of="2025-01-01")


def test_data_as_of_is_the_change_of_the_files(export: Path) -> None:
    for file in export.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    assert run_report(QUERY, source(export), as_of="2025-01-01").info.data_as_of == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("encoding", ["cp1251", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_are_read(export: Path, encoding: str, packed: bool) -> None:
    content = CUSTOMERS.encode(encoding)
    (export / "customers.csv").unlink()
    (export / ("customers.csv.gz" if packed else "customers.csv")).write_bytes(
        gzip.compress(content) if packed else content
    )
    given = source(export)
    if encoding == "cp1251":
        with pytest.raises(
            SourceError, match=r"customers.*, line 3: byte 0xc1 is not UTF-8.*'Боб' in windows-1251.*encoding"
        ):
            check_source(given)
        given = source(export, encoding=encoding)
        for call in export.glob("Calls*"):
            call.write_text(call.read_text(encoding="utf-8"), encoding=encoding)
    mart = check_source(given)
    assert mart.tables["clients"].columns["name"].to_pylist() == ["Anna", "Боб"]


def test_quoted_line_breaks_and_delimiters_are_kept(export: Path) -> None:
    (export / "customers.csv").write_text(
        'No;Name;Opened\n1;"A; ""B""\nC";2024-01-05\n2;D;2024-01-05\n', encoding="utf-8"
    )
    mart = check_source(source(export))
    assert mart.tables["clients"].columns["name"].to_pylist() == ['A; "B"\nC', "D"]


def test_an_uncertain_delimiter_names_the_setting(export: Path) -> None:
    (export / "customers.csv").write_text("No;Name,Opened\n1;Anna,2024-01-05\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"customers\.csv is ambiguous.*delimiter") as raised:
        check_source(source(export))
    assert raised.value.field == "delimiter"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (MAPPING.replace("Name AS", "Nmae AS"), r"mine\.sql, clients: .*Nmae.*Name"),
        (MAPPING.replace("FROM customers;", "FROM customer;"), r"mine\.sql, clients: .*customer.*customers"),
        (MAPPING.replace("FROM customers;", "FROM customers; DROP VIEW calls;"), "write a single SELECT"),
        (MAPPING.replace("FROM customers;", "FROM read_csv('/etc/passwd');"), "disabled"),
        (MAPPING.replace("FROM customers;", "FROM read_csv('http://127.0.0.1/x');"), "disabled"),
        (MAPPING.replace("-number(Price)", "-number(\"When\")"), r"transactions: .*cannot read '2024-0"),
        (MAPPING.replace(":name clients", ":name client"), "did you mean 'clients'"),
        (MAPPING.replace(":name clients", ":nmae clients"), "unknown directive :nmae"),
        (MAPPING.replace(":name transactions", ":name clients"), "clients occurs twice"),
        (MAPPING[: MAPPING.index("-- :name trans")], "for transactions is missing; .*name transactions"),
        (MAPPING + "\n-- :name rates\n-- later\n", ":name rates has no SELECT below it"),
        (MAPPING.replace("{n} calls", "Calls"), "with {n} in place of the number"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(export: Path, wrong: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as raised:
        check_source(source(export, wrong))
    assert raised.value.field == "mapping"
    assert not list((export.parent / "cache").rglob("*.parquet"))


def test_a_mapping_cannot_write(export: Path) -> None:
    sql = MAPPING.replace("FROM customers;", f"FROM customers); COPY customers TO '{export}/x.csv' --")
    with pytest.raises(SourceError):
        check_source(source(export, sql))
    assert not (export / "x.csv").exists()


def test_sums_stay_exact(export: Path) -> None:
    """DuckDB adds integers to HUGEINT, which it would write to Parquet as a floating-point number."""
    sql = MAPPING.replace("-number(Price)", "-(SELECT sum(v) FROM (VALUES (9007199254740993), (0)) t(v))")
    (export / "Calls 2024-04.csv").unlink()
    sql = sql.replace("FROM calls", "FROM calls_2024_03")
    with pytest.raises(SourceError):
        parse_mapping("x", "")
    assert check_source(source(export, sql)).tables["transactions"].stored.data["amount"].to_pylist() == [
        Decimal(-9007199254740993)
    ]


def test_parquet_files_and_duckdb_databases_are_mapped_too(export: Path) -> None:
    database = export.parent / "billing.duckdb"
    with duckdb.connect(str(database)) as connection:
        for name, file in (("customers", "customers.csv"), ("calls", "Calls*.csv")):
            connection.execute(
                f"CREATE TABLE {name} AS FROM read_csv('{export / file}', delim=';', all_varchar=true)"
            )
    assert spent(source(database)) == Decimal("1002.5")
    for old in export.glob("Calls*"):
        old.unlink()
    calls = pa.table({"No": [1], "When": ["2024-03-01"], "Price": [Decimal("1.000")]})
    pq.write_table(calls, export / "calls.parquet")
    assert spent(source(export)) == 1


def test_two_files_of_one_table_are_an_error(export: Path) -> None:
    (export / "Customers.txt").write_text(CUSTOMERS, encoding="utf-8")
    with pytest.raises(SourceError, match=r"'customers.csv' and 'Customers.txt'|'Customers.txt' and"):
        check_source(source(export))


def test_a_full_disk_is_an_error_and_leaves_nothing(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("custdyn_widgets.mart.mapping.running.write_mart", full)
    with pytest.raises(SourceError, match="Free some space"):
        check_source(source(export))
    assert not list((export.parent / "cache" / "mapped").rglob(".building*"))


@settings(max_examples=max(1, settings.default.max_examples // 3))
@given(
    st.decimals(-(10**20), 10**20, places=6),
    st.sampled_from([".", ","]),
    st.sampled_from(["", " ", "\u00a0", "'", "other"]),
)
def test_number_reads_what_systems_write(value: Decimal, mark: str, group: str) -> None:
    other = "," if mark == "." else "."
    group = other if group == "other" else group
    text = f"{value:,f}".replace(",", "_").replace(".", mark).replace("_", group)
    with duckdb.connect() as connection:
        for statement in macros(Dialect(decimal=mark)):
            connection.execute(statement)
        assert connection.execute("SELECT number(?)", [text]).fetchone() == (value,)


@pytest.mark.parametrize("name", MARTS)
def test_golden_marts_exported_and_mapped_give_their_tables(name: str, tmp_path: Path) -> None:
    """Exported with `;`, decimal commas and local times under other headings, and read through a mapping."""
    export, plain, sections = tmp_path / "export", tmp_path / "plain", []
    export.mkdir()
    plain.mkdir()
    written = write(oracle.read_mart(GOLDEN / name / "mart"), plain, KYIV)
    for file in written.iterdir():
        headings, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
        columns = headings.strip().split(";")
        renamed = ";".join(f"The {column}" for column in columns) + "\n"
        (export / f"tbl {file.name}").write_text(renamed + "".join(rows), encoding="utf-8")
        numbers = ("amount", "opening_balance", "units_per_base")
        select = ", ".join(
            f'number("The {c}") AS {c}' if c in numbers else f'"The {c}" AS {c}' for c in columns
        )
        sections.append(f"-- :name {file.stem}\nSELECT {select} FROM tbl_{file.stem}\n")
    mapped = source(export, "\n".join(sections), delimiter=";", dates="DMY", timezone="Europe/Kyiv")
    assert not wrong_cells_of(name, mapped)


def test_shipped_mappings_are_found() -> None:
    assert isinstance(shipped_systems(), dict)
    json.dumps(shipped_systems())
    with pytest.raises(SourceError, match=r"The mapping 'zzz' does not exist; choose from \w+, \w+"):
        shipped_mapping("zzz", "mysql")


def test_files_of_a_system_with_a_mapping_for_databases_alone_are_refused(export: Path) -> None:
    with pytest.raises(SourceError, match=r"^The mapping 'astpp' is for mysql, not duckdb\.$"):
        check_source(Source(export, system="astpp"))


def test_archives_and_hints_for_excel_are_read(export: Path) -> None:
    with zipfile.ZipFile(export / "customers.zip", "w") as archive:
        archive.writestr("customers.csv", f"sep=;\n{CUSTOMERS}")
    (export / "customers.csv").unlink()
    (export / "customers.zip").rename(export / "customers.csv.zip")
    assert spent(source(export)) == Decimal("1002.5")


def test_threads_that_map_at_once_do_not_disturb_each_other(export: Path) -> None:
    mapped = source(export)
    with ThreadPoolExecutor(4) as pool:
        folders = {path for path, _ in pool.map(mapped_mart, [resolve_source(mapped)] * 8)}
    assert len(folders) == 1
    assert spent(mapped) == Decimal("1002.5")
    assert not list((export.parent / "cache" / "mapped").rglob(".building*"))


def test_deep_indentation_below_a_comment_is_read_at_once() -> None:
    """The search for a SELECT among comments must not try every way to divide the blanks."""
    text = f"-- :name clients\n-- why\n{' ' * 100}SELECT 1\n-- :name transactions\nSELECT 2\n"
    assert set(parse_mapping("deep.sql", text).selects) == {"clients", "transactions"}


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("id\n1\n2\n", ","),
        ("", ","),
        ("id;name\n1;a\n", ";"),
        ("id\tname\n1\ta,b\n", "\t"),
        ("id|name\n1|a;b\n\n2|c\n", "|"),
        ('id,name\n1,"a;b"\n', ","),
        ("id;name\n" + "1;a\n" * 50 + "1\n", ";"),  # beyond the rows that are looked at
    ],
)
def test_the_delimiter_is_the_one_that_gives_even_rows(tmp_path: Path, text: str, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert delimiter_of(tmp_path / "a.csv", "a.csv") == delimiter


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "id,name\n1,a\n2\n",
            "a.csv: with the delimiter ',', row 3 has 1 cells, but there are 2 columns. Export",
        ),
        (
            "id,name\n\n1,a\n2,b\\,c\n",
            "row 3 has 3 cells, but there are 2 columns; a backslash is not an escape",
        ),
        ("id,b\\\n\n\n1,a\n2,b,c\n", "row 3 has 3 cells, but there are 2 columns. Export the file again"),
        ("id;name\n" + "1;a\n" * 48 + "1\n", "with the delimiter ';', row 50 has 1 cells"),
        ("id;name,x\n1;a,b\n", "The delimiter of a.csv is ambiguous. Set it for the source"),
        ("id;name|x\n1;a\n2;b|c\n", None),
    ],
)
def test_an_uneven_row_is_named_with_what_may_be_its_cause(
    tmp_path: Path, text: str, words: str | None
) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    if words is None:
        assert delimiter_of(tmp_path / "a.csv", "a.csv") == ";"
        return
    with pytest.raises(SourceError) as caught:
        delimiter_of(tmp_path / "a.csv", "a.csv")
    assert words in caught.value.message
    assert caught.value.field == "delimiter"
