"""Messages about files that cannot be read name the likely cause and the remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from custdyn_widgets import Dialect, Source
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading.likely_causes import other_delimiter, reject_encoding
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.source_check import check_source
from tests.mart.test_duckdb_source import database, run
from tests.mart.test_mart import CSV, faults, folder, frames

pytestmark = pytest.mark.usefixtures("own_cache")

CLIENTS = CSV["clients"]


def message(source: Path) -> str:
    with pytest.raises(SourceError) as caught:
        check_source(source)
    return caught.value.message


# Dialects


def test_headings_below_a_title_are_named(tmp_path: Path) -> None:
    found = message(folder(tmp_path, clients=f"All clients\n\nby ann\n{CLIENTS}"))
    assert found == "clients.csv: the headings are not in the first line. Remove the 2 lines above them."


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("count", [1, 2])
def test_the_lines_above_the_headings_are_counted(tmp_path: Path, delimiter: str, count: int) -> None:
    text = "All packages\n" * count + f"package_id{delimiter}name\np1{delimiter}Gold\n"
    assert message(folder(tmp_path, packages=text)) == (
        "packages.csv: the headings are not in the first line. "
        f"Remove the {'line' if count == 1 else '2 lines'} above them."
    )


def test_two_headings_in_quotes_show_that_lines_are_quoted(tmp_path: Path) -> None:
    found = message(folder(tmp_path, packages='"package_id,name"\n"p1,Gold"\n'))
    assert found.startswith("packages.csv: each line is a single quoted cell.")


def test_lines_that_are_quoted_as_a_whole_are_named(tmp_path: Path) -> None:
    lines = "".join(f'"{line}"\n' for line in CLIENTS.splitlines())
    assert "each line is a single quoted cell" in message(folder(tmp_path, clients=lines))


@pytest.mark.parametrize(
    "text",
    [
        "note\nx\n",
        "package_id\np1\n",
        "package_id,notes\np1,a;b\n",
        "a;b\n1;2\n",
        "a,b\n1,2\n",
        "note\nname\n",
        '"Package ID"\nx\n',
        "BZhours\nx\n",
        "note1AY\nx\n",
    ],
)
def test_an_ordinary_file_has_no_such_cause(tmp_path: Path, text: str) -> None:
    check_source(folder(tmp_path, packages=text))


# Content of another format


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, data)
    return out.getvalue()


def workbook(_: bytes) -> bytes:
    out = io.BytesIO()
    frames()["clients"].to_excel(out, index=False)
    return out.getvalue()


def parquet(_: bytes) -> bytes:
    out = io.BytesIO()
    frames()["clients"].to_parquet(out)
    return out.getvalue()


FOREIGN: list[tuple[Callable[[bytes], bytes], str]] = [
    (bz2.compress, "is compressed with bzip2, not a CSV file. Unpack it."),
    (lzma.compress, "is compressed with xz, not a CSV file. Unpack it."),
    (workbook, "is an Excel workbook, not a CSV file. Save its sheet as CSV (UTF-8)."),
    (
        lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100,
        "is an Excel workbook (.xls), not a CSV file. Save its",
    ),
    (parquet, "is a Parquet file, not a CSV file. Rename it to clients.parquet."),
    (
        lambda _: b"<!DOCTYPE html>\n<html><title>Log in</title>",
        "is a web page or XML, not a CSV file. Open it",
    ),
    (lambda _: json.dumps([{"client_id": "c1"}]).encode(), "is JSON, not a CSV file. Export its data as CSV"),
    (lambda _: json.dumps({"client_id": "c1"}, indent=1).encode(), "is JSON, not a CSV file."),
]


@pytest.mark.parametrize(("convert", "words"), FOREIGN, ids=[words for _, words in FOREIGN])
def test_content_of_another_format_is_named(
    tmp_path: Path, convert: Callable[[bytes], bytes], words: str
) -> None:
    assert message(folder(tmp_path, clients=convert(CLIENTS.encode()))).startswith(f"clients.csv {words}")


def test_large_binary_content_is_named_too(tmp_path: Path) -> None:
    noise = b"\x28\xb5\x2f\xfd" + bytes(range(128, 256)) * 4000
    assert "is compressed with Zstandard" in message(folder(tmp_path, clients=noise))


def test_content_of_another_format_named_parquet_or_duckdb_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path, packages=None)
    (source / "packages.parquet").write_bytes(gzip.compress(CSV["packages"].encode()))
    assert message(source) == "packages.parquet is compressed with gzip, not a Parquet file. Unpack it."
    (source / "packages.parquet").write_bytes(b"package_id,\tfull name\r\n")
    assert (
        message(source)
        == "packages.parquet is text, not a Parquet file. Rename it to packages.csv if it is CSV."
    )
    for other in (b"PAR1 and no more", b"package_id\np1\n", b"package_id,name\n\x01,\x1b\n"):
        (source / "packages.parquet").write_bytes(other)
        assert message(source).startswith("packages.parquet cannot be read: ")
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE clients (client_id)")
    connection.close()
    assert message(path) == (
        "shop.db is a SQLite database, not a DuckDB database. Export its data as CSV or Parquet."
    )


def test_a_duckdb_database_named_csv_is_named(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "x.duckdb")).close()
    content = (tmp_path / "x.duckdb").read_bytes()
    assert "Rename it to clients.duckdb, and use its path" in message(
        folder(tmp_path / "csv", clients=content)
    )


# Encodings


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["Three", "Dré"])
def test_wide_encodings_without_a_mark_are_named(tmp_path: Path, encoding: str, name: str) -> None:
    texts = {**CSV, "clients": CLIENTS.replace("Three", name)}
    source = folder(tmp_path, **{table: text.encode(encoding) for table, text in texts.items()})
    found = message(source)
    assert found.startswith(f"clients.csv seems to be {encoding.upper()} rather than UTF-8. ")
    assert found.endswith(f"encoding = '{encoding}'.")
    assert check_source(Source(source, dialect=Dialect(encoding=encoding))).faults == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["ab", "abc", "abж", "name\n", "name,тип\n", "client_id," * 9])
def test_a_few_characters_show_a_wide_encoding(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "clients.csv"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(SourceError, match=f"seems to be {encoding.upper()} rather than UTF-8"):
        reject_encoding(path)


@pytest.mark.parametrize("text", [b"", b"a", b"a\0", b"\0", b"abcd\0\0", b"na\0me,ty\0pe"])
def test_zeros_among_text_are_no_wide_encoding(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "clients.csv"
    path.write_bytes(text)
    reject_encoding(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xfcber,x", "byte 0xfc is not UTF-8. It may be 'über' in windows-1252 or "),
        (b",M\xfcll", "byte 0xfc is not UTF-8. It may be 'Müll' in windows-1252 or "),
        (b"x;a M\xfcll\tb", "byte 0xfc is not UTF-8. It may be 'Müll' in windows-1252 or "),
        (b'x,"M\xfcll"', "byte 0xfc is not UTF-8. It may be 'Müll' in windows-1252 or "),
        (b"\xb1", "byte 0xb1 is not UTF-8. Save the file as UTF-8"),
    ],
)
def test_the_word_around_a_byte_is_shown(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "clients.csv"
    path.write_bytes(b"name\n" + line + b"\n")
    with pytest.raises(SourceError) as caught:
        reject_encoding(path)
    assert caught.value.message.startswith(f"clients.csv, line 2: {words}")
    assert caught.value.message.endswith("encoding = 'windows-1252'.")
    path.write_bytes(line)
    with pytest.raises(SourceError, match=r"^clients\.csv, line 1: byte"):
        reject_encoding(path)


@pytest.mark.parametrize(
    ("page", "name"),
    [("windows-1252", "Müller"), ("windows-1250", "Dvořák"), ("windows-1251", "Иванов"), ("cp850", "Müller")],
)
def test_a_code_page_is_recognized_by_the_word(tmp_path: Path, page: str, name: str) -> None:
    source = folder(tmp_path, clients=CLIENTS.replace("Three", f"A {name}").encode(page))
    found = message(source)
    assert found.startswith("clients.csv, line 4: byte 0x")
    assert f"{name!r} in {page}" in found
    assert "in the source's section of sources.toml: encoding = " in found
    clients = check_source(Source(source, dialect=Dialect(encoding=page))).tables["clients"]
    assert clients.columns["name"].to_pylist()[2] == f"A {name}"


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_byte_order_mark_is_skipped(tmp_path: Path, mark: str) -> None:
    assert faults(folder(tmp_path, **{name: mark + text for name, text in CSV.items()})) == []


@pytest.mark.parametrize("mark", ["\ufeff\ufeff", "\u00ef\u00bb\u00bf"], ids=["twice", "as letters"])
def test_a_second_byte_order_mark_is_a_fault_that_names_it(tmp_path: Path, mark: str) -> None:
    found = faults(folder(tmp_path, clients=mark + CLIENTS))
    assert any(
        "so it is not read: rename or remove it; it begins with a byte order mark (BOM)" in f for f in found
    )


# Names of files and tables


NEAR = [
    ("transactions.parquet.gz", "unpack it"),
    ("transactions.CSV", "rename it to transactions.csv"),
    ("Transactions.csv", "rename it to transactions.csv"),
    ("transactions.Parquet", "rename it to transactions.parquet"),
    ("transaction.csv", "rename it to transactions.csv"),
    ("transactions (1).csv", "rename it to transactions.csv"),
    ("transactions_2024.csv", "rename it to transactions.csv"),
    ("transactions.csv.txt", "rename it to transactions.csv"),
    ("transactions.tsv", "rename it to transactions.csv"),
    ("transactions.xlsx", "save its sheet as transactions.csv (UTF-8)"),
    ("transactions.xls", "save its sheet as transactions.csv (UTF-8)"),
    ("transactions.json", "export its data as transactions.csv or transactions.parquet"),
]


@pytest.mark.parametrize(("name", "remedy"), NEAR)
def test_a_file_beside_a_missing_one_is_named(tmp_path: Path, name: str, remedy: str) -> None:
    source = folder(tmp_path, transactions=None)
    (source / name).write_bytes(b"")
    (source / "readme.txt").write_bytes(b"")
    found = message(source)
    assert f"has no transactions.csv or transactions.parquet, but it has '{name}': {remedy}." in found
    assert "Give a folder" not in found


def test_a_folder_of_parts_a_database_and_an_inner_folder_are_named(tmp_path: Path) -> None:
    inner = tmp_path / "marts"
    inner.mkdir()
    (inner / "Thumbs.db").write_bytes(b"x" * 100)
    folder(inner / "shop")
    assert "but its folder 'shop' does: use the path of that folder as the source" in message(inner)
    duckdb.connect(str(inner / "shop.duckdb")).close()
    assert "but it has 'shop.duckdb': use the path of that file as the source" in message(inner)
    parts = folder(tmp_path / "parts", transactions=None) / "transactions"
    parts.mkdir()
    frames()["transactions"].to_parquet(parts / "part-0.parquet")
    assert "'transactions': rename it to transactions.parquet" in message(tmp_path / "parts")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clients.csv", "it is a file, so give the path of its folder"),
        ("mart.zip", "it is an archive, so unpack it"),
        ("mart.xlsx", "it is a workbook, so save its sheets as clients.csv and transactions.csv (UTF-8)"),
        ("mart.txt", "nor a .duckdb or .db file"),
    ],
)
def test_a_file_given_as_a_source_is_explained(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert words in message(tmp_path / name)


@pytest.mark.parametrize("name", ["Rates.csv", "RATES.CSV", "rates .csv", "Rates.parquet"])
def test_an_optional_table_under_almost_its_name_is_an_error(tmp_path: Path, name: str) -> None:
    source = folder(tmp_path, rates=None)
    (source / name).write_text(CSV["rates"])
    suffix = Path(name).suffix.lower()
    assert (
        f"has '{name}', which is not read: rename it to rates{suffix}, or move it to another folder"
        in message(source)
    )


@pytest.mark.parametrize(
    ("name", "remedy"), [("company.csv", "rename it to companies.csv"), ("companies.csv.bz2", "unpack it")]
)
def test_an_optional_table_that_may_be_unread_is_noted(tmp_path: Path, name: str, remedy: str) -> None:
    source = folder(tmp_path, companies=None)
    (source / name).write_bytes(b"")
    notes = [note for note in check_source(source).notes if note.kind == "unread_table"]
    assert notes == [
        f"The table companies is missing, and '{name}' is not read. If it is that table, {remedy}."
    ]


@pytest.mark.parametrize("name", ["clients.csv.gz", "rates.xlsx", "notes.txt", "payments.csv", "old"])
def test_other_files_beside_complete_tables_are_not_noted(tmp_path: Path, name: str) -> None:
    source = folder(tmp_path)
    (source / name).write_bytes(b"")
    assert not [note for note in check_source(source).notes if note.kind == "unread_table"]


@pytest.mark.parametrize(
    ("name", "table"), [("Clients", "clients"), ("client", "clients"), ("company", "companies"), ("x", None)]
)
def test_a_near_miss_of_a_table_among_dataframes_is_named(name: str, table: str | None) -> None:
    with pytest.raises(SourceError) as caught:
        check_source({**frames(), name: pd.DataFrame()})
    assert caught.value.message.endswith(f" Did you mean {table!r}?" if table else "rates.")


def test_a_near_miss_of_a_table_in_a_database_is_named(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.duckdb")
    run(source, 'ALTER TABLE rates RENAME TO "Rates "')
    assert "has the table 'Rates ', which is not read: rename it to rates, or drop it" in message(source)
    run(source, 'ALTER TABLE "Rates " RENAME TO rate')
    [note] = [note for note in check_source(source).notes if note.kind == "unread_table"]
    assert (
        note == "The table rates is missing, and 'rate' is not read. If it is that table, rename it to rates."
    )
    run(source, "ALTER TABLE transactions RENAME TO transaction")
    assert "has no table transactions, but it has 'transaction': rename it to transactions" in message(source)
    run(
        source,
        "CREATE SCHEMA billing; CREATE TABLE billing.transactions AS FROM transaction; "
        "DROP TABLE transaction",
    )
    assert "has no table transactions in the main schema, but has one in 'billing'" in message(source)


def test_a_delimiter_that_finds_two_headings_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "transactions.csv"
    path.write_text("client_id;at;x,kind,amount,package_id\n", encoding="utf-8")
    assert other_delimiter(path, TABLES["transactions"], ";") is None
    path.write_text("client_id;x,kind,amount\n", encoding="utf-8")
    with pytest.raises(SourceError, match="the delimiter seems to be ','"):
        other_delimiter(path, TABLES["transactions"], ";")


@pytest.mark.parametrize(
    ("headings", "given", "expected"),
    [
        ("client_id;kind", None, ";"),
        ("client_id|kind", None, "|"),
        ("client_id;x", None, None),
        ("client_id;x,kind", ";", None),
        ("client_id;at", ";", None),
    ],
)
def test_only_two_known_headings_show_a_delimiter(
    tmp_path: Path, headings: str, given: str | None, expected: str | None
) -> None:
    path = tmp_path / "transactions.csv"
    path.write_text(f"{headings}\n", encoding="utf-8")
    assert other_delimiter(path, TABLES["transactions"], given) == expected


def test_a_cell_that_is_longer_than_any_heading_is_an_error(tmp_path: Path) -> None:
    source = folder(tmp_path, clients="x" * 140_000)
    assert message(source) == "clients.csv cannot be read: field larger than field limit (131072)"


@pytest.mark.parametrize("table", ["a\n", "package_id\n"])
def test_a_table_without_its_columns_or_rows_lacks_them_in_row_1(tmp_path: Path, table: str) -> None:
    found = faults(folder(tmp_path, packages=table, clients="client_id,client_type\n"))
    assert "clients.csv, row 1, currency: '' is missing: the table has no such column" in found


def test_an_unknown_heading_is_extra_beside_headings_of_another_case(tmp_path: Path) -> None:
    mart = check_source(folder(tmp_path, packages="Package ID;Name;Colour\np1;Gold;red\np2;;\n"))
    assert mart.faults == []
    assert "packages.csv: extra columns are ignored: 'Colour'." in mart.notes


def test_a_folder_named_like_a_database_is_read_as_a_folder(tmp_path: Path) -> None:
    assert faults(folder(tmp_path / "shop.db")) == []
