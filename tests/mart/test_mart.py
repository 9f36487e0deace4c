"""Reading and checking a mart: every fault is named where it is, and every form of the data reads alike."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError, MartError, SourceError
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report

pytestmark = pytest.mark.usefixtures("own_cache")

CSV = {
    "clients": (
        "client_id,name,client_type,company,owner_user,tags,currency,created_at,closed_at,opening_balance\n"
        "c1,One,client,north,ann,vip; new ,USD,2021-01-01T00:00:00Z,,1.5\n"
        "c2,,client,south,,,EUR,2021-01-02 03:00:00+03:00,2021-03-01,\n"
        "c3,Three,reseller,,bob,vip,USD,2021-01-03,,-2\n"
    ),
    "transactions": (
        "transaction_id,client_id,at,kind,amount,package_id\n"
        "t1,c1,2021-01-05T10:00:00Z,refill,10,\n"
        "t2,c1,2021-01-06T10:00:00.5Z,usage,-2.25,\n"
        "t3,c2,2021-02-01T00:00:00Z,package_activation,0,p1\n"
        "t4,c2,2021-02-01T00:00:00Z,package_renewal,-3.000001,p1\n"
        "t5,c3,2021-02-03T00:00:00Z,other,0.5,\n"
    ),
    "packages": "package_id,name\np1,Gold\np2,\n",
    "companies": "company,parent\nnorth,\nsouth,north\n",
    "rates": "currency,date,units_per_base,base\nUSD,2021-01-01,1,USD\nEUR,2021-01-01,0.82,USD\n",
}
EVERYONE = ReportQuery.from_dict(
    {"interval": {"start": "2021-01-01", "end": "2021-03-31"}, "client_type": "all"}
)


def folder(path: Path, **changed: str | bytes | None) -> Path:
    """Write the mart as CSV files, with some tables changed or (None) omitted, and return the folder."""
    path.mkdir(exist_ok=True)
    for name, text in {**CSV, **changed}.items():
        if text is not None:
            data = text if isinstance(text, bytes) else text.encode()
            (path / f"{name}.csv").write_bytes(data)
    return path


def changed(table: str, old: str, new: str) -> dict[str, str]:
    """Return the table's text with one replacement."""
    assert CSV[table].count(old) == 1
    return {table: CSV[table].replace(old, new)}


def faults(source: Path | Mapping[str, pd.DataFrame]) -> list[str]:
    return [str(fault) for fault in check_source(source).faults]


def numbers(source: Path | Mapping[str, pd.DataFrame], query: ReportQuery = EVERYONE) -> Any:
    report = run_report(query, source, as_of="2021-04-01")
    return report.headings, report.rows, report.total, report.info.transactions


def frames(**changed: pd.DataFrame) -> dict[str, pd.DataFrame]:
    clients = pd.DataFrame(
        {
            "client_id": ["a", "b"],
            "client_type": "client",
            "currency": "USD",
            "created_at": ["2021-01-01", "2021-01-02"],
        }
    )
    transactions = pd.DataFrame(
        {
            "transaction_id": ["1", "2"],
            "client_id": ["a", "b"],
            "at": ["2021-01-05", "2021-02-05"],
            "kind": ["usage", "refill"],
            "amount": ["-1.5", "2"],
        }
    )
    return {"clients": clients, "transactions": transactions, **changed}


def with_column(table: str, column: str, values: object) -> dict[str, pd.DataFrame]:
    """Return the small mart with one column replaced."""
    found = frames()
    return {**found, table: found[table].assign(**{column: values})}


def objects(*values: object) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def test_the_mart_in_these_tests_has_no_faults(tmp_path: Path) -> None:
    assert faults(folder(tmp_path)) == []


# Each fault of the specification: what is changed, and the words, with file, row, column and value.
FAULTS = [
    (changed("clients", "c2,,", "c1,,"), [
        "clients.csv, row 2, client_id: 'c1' occurs more than once",
        "clients.csv, row 3, client_id: 'c1' occurs more than once",
        "transactions.csv, row 4, client_id: 'c2' is not in clients.csv",
        "transactions.csv, row 5, client_id: 'c2' is not in clients.csv",
    ]),
    (changed("transactions", "t2,", "t1,"), [
        "transactions.csv, row 2, transaction_id: 't1' occurs more than once",
        "transactions.csv, row 3, transaction_id: 't1' occurs more than once",
    ]),
    (changed("packages", "p2", "p1"), [
        "packages.csv, row 2, package_id: 'p1' occurs more than once",
        "packages.csv, row 3, package_id: 'p1' occurs more than once",
    ]),
    (changed("companies", "south,north", "north,"), [
        "clients.csv, row 3, company: 'south' is not in companies.csv",
        "companies.csv, row 2, company: 'north' occurs more than once",
        "companies.csv, row 3, company: 'north' occurs more than once",
    ]),
    (changed("clients", "client,north", " ,north"), [
        "clients.csv, row 2, client_type: ' ' is blank, but a value is required",
    ]),
    (changed("transactions", "usage,-2.25", "usage,"), [
        "transactions.csv, row 3, amount: '' is blank, but a value is required",
    ]),
    (changed("transactions", "t5,c3", "t5,c9"), [
        "transactions.csv, row 6, client_id: 'c9' is not in clients.csv",
    ]),
    (changed("transactions", "usage", "Usage"), [
        "transactions.csv, row 3, kind: 'Usage' is not a known kind (did you mean usage?)",
    ]),
    (changed("transactions", "other", "x"), [
        "transactions.csv, row 6, kind: 'x' is not a known kind "
        "(choices: refill, usage, package_activation, package_renewal, other)",
    ]),
    (changed("clients", "reseller", "resseller"), [
        "clients.csv, row 4, client_type: 'resseller' is not a known client_type (did you mean reseller?)",
    ]),
    (changed("transactions", "0,p1", "0,p9"), [
        "transactions.csv, row 4, package_id: 'p9' is not in packages.csv",
    ]),
    (changed("clients", "north,ann", "east,ann"), [
        "clients.csv, row 2, company: 'east' is not in companies.csv",
    ]),
    (changed("companies", "south,north", "south,east"), [
        "companies.csv, row 3, parent: 'east' is not in companies.csv",
    ]),
    (changed("companies", "north,\n", "north,south\n"), [
        "companies.csv, row 2, parent: 'south' makes 'north' its own ancestor",
        "companies.csv, row 3, parent: 'north' makes 'south' its own ancestor",
    ]),
    (changed("companies", "north,\n", "north,north\n"), [
        "companies.csv, row 2, parent: 'north' makes 'north' its own ancestor",
    ]),
    (changed("clients", "2021-01-03", "2021-02-30"), [
        "clients.csv, row 4, created_at: '2021-02-30' is not an ISO 8601 time",
    ]),
    (changed("transactions", "2021-01-06T10:00:00.5Z", "9999-12-31T23:59:59-01:00"), [
        "transactions.csv, row 3, at: '9999-12-31T23:59:59-01:00' is outside the years 1 to 9999",
    ]),
    (changed("transactions", "-2.25", "two"), [
        "transactions.csv, row 3, amount: 'two' is not a plain decimal number",
    ]),
    (changed("transactions", "-2.25", "NaN"), ["transactions.csv, row 3, amount: 'NaN' is not a number"]),
    (changed("clients", "USD,2021-01-03,,-2", "USD,2021-01-03,,-2e3"), [
        "clients.csv, row 4, opening_balance: '-2e3' has an exponent, but amounts must be plain decimals",
    ]),
    (changed("transactions", "-3.000001", "-3.0000001"), [
        "transactions.csv, row 5, amount: '-3.0000001' has more than 6 decimal places",
    ]),
    (changed("transactions", "refill,10", "refill," + "9" * 300), [
        "transactions.csv, row 2, amount: '" + "9" * 78 + "… is too large: "
        "the largest amount is 9 223 372 036 854.775807",
    ]),
    (changed("clients", "2021-03-01", "2020-12-31"), [
        "clients.csv, row 3, closed_at: '2020-12-31' is before created_at",
    ]),
    (changed("clients", "EUR", "Euro"), [
        "clients.csv, row 3, currency: 'Euro' is not an ISO 4217 code of three capital letters",
    ]),
    (changed("rates", "0.82", "0"), ["rates.csv, row 3, units_per_base: '0' must be greater than 0"]),
    (changed("rates", "0.82", "-1"), ["rates.csv, row 3, units_per_base: '-1' must be greater than 0"]),
    ({"rates": CSV["rates"] + "EUR,2021-01-01,0.83,USD\n"}, [
        "rates.csv, row 3, date: '2021-01-01' is a second quote for EUR on this date",
        "rates.csv, row 4, date: '2021-01-01' is a second quote for EUR on this date",
    ]),
    (changed("rates", "0.82,USD", "0.82,EUR"), [
        "rates.csv, row 3, base: 'EUR' is a second base; the table's base is USD",
    ]),
    (changed("rates", "USD,2021-01-01,1,USD", "USD,2021-01-01,2,USD"), [
        "rates.csv, row 2, units_per_base: '2' is the quote for the base USD, which must be 1",
    ]),
    (changed("rates", "EUR,2021-01-01", "EUR,1st"), [
        "rates.csv, row 3, date: '1st' is not a date in the form YYYY-MM-DD",
    ]),
    ({"clients": CSV["clients"].replace("created_at", "created")}, [
        "clients.csv, row 1, created_at: '' is missing: the table has no such column",
    ]),
    ({"packages": CSV["packages"] + "p3\np4,a,b\n"}, [
        "packages.csv, row 4: 'p3' has 1 cell, but there are 2 columns",
        "packages.csv, row 5: 'p4,a,b' has 3 cells, but there are 2 columns",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "words"), FAULTS, ids=[words[0][:60] for _, words in FAULTS])
def test_a_fault_is_named_with_file_row_column_and_value(
    tmp_path: Path, tables: dict[str, str], words: list[str]
) -> None:
    assert faults(folder(tmp_path, **tables)) == words


@pytest.mark.parametrize(("tables", "words"), FAULTS[:3], ids=[words[0][:60] for _, words in FAULTS[:3]])
def test_a_query_on_a_faulty_mart_fails_with_the_words_of_check(
    tmp_path: Path, tables: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(MartError) as caught:
        run_report(EVERYONE, folder(tmp_path / "shop", **tables))
    assert caught.value.message == "\n".join(
        [f"Source 'shop' has {len(words)} faults:", *(f"  {line}" for line in words)]
    )


@pytest.mark.parametrize(("count", "more"), [(1, 0), (20, 0), (21, 1), (30, 10)])
def test_check_lists_every_fault_and_a_query_the_first_twenty(tmp_path: Path, count: int, more: int) -> None:
    rows = "".join(f"x{i},c1,2021-01-05,usage,bad{i},\n" for i in range(count))
    source = folder(tmp_path, transactions=CSV["transactions"] + rows)
    assert len(faults(source)) == count
    with pytest.raises(MartError, match=f"has {count} fault{'s' if count > 1 else ''}:") as caught:
        run_report(EVERYONE, source)
    told = caught.value.message.splitlines()[1 + count - more :]
    assert told == ([f"  … and {more} more: custdyn check --all lists them."] if more else [])


BLANK = "Leave the cell blank. In MySQL, select IFNULL(column, '')."
NULL = r"'\\N' is MySQL's NULL, which means no value"


@pytest.mark.parametrize("form", ["csv", "parquet", "frames"])
@pytest.mark.parametrize(
    ("table", "column", "value", "remedy"),
    [
        ("clients", "closed_at", "2021-03-01", BLANK),
        ("clients", "opening_balance", "1.5", BLANK),
        ("clients", "client_type", "reseller", "Fill in the value."),
        ("clients", "currency", "EUR", "Fill in the value."),
        ("clients", "created_at", "2021-01-01", "Fill in the value."),
        ("transactions", "client_id", "c1", "Fill in the value."),
        ("transactions", "transaction_id", "t", "Fill in the value."),
        ("transactions", "at", "2021-01-05", "Fill in the value."),
        ("transactions", "amount", "-2.25", "Fill in the value."),
        ("transactions", "kind", "usage", "Fill in the value."),
        ("transactions", "package_id", "p1", BLANK),
        ("rates", "units_per_base", "0.82", "Fill in the value."),
        ("rates", "date", "2021-01-01", "Fill in the value."),
    ],
)
def test_null_as_mysql_writes_it_is_named_in_every_column(
    tmp_path: Path, form: str, table: str, column: str, value: str, remedy: str
) -> None:
    """As SELECT … INTO OUTFILE writes it: at any fault, the value itself is what is wrong."""
    read = {
        name: pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False) for name, text in CSV.items()
    }
    of_column = read[table][column]
    assert of_column.str.startswith(value).any()
    read[table][column] = of_column.mask(of_column.str.startswith(value), "\\N")
    source = read if form == "frames" else in_form(read, tmp_path, form)
    faults_of_table = [fault for fault in check_source(source).faults if fault.file.startswith(table)]
    found = [fault for fault in faults_of_table if fault.column == column]
    assert found
    for fault in found:
        assert str(fault).endswith(f"{column}: {NULL}")
        assert (fault.kind.code, fault.kind.remedy) == ("null_of_mysql", remedy)


def test_a_fault_causes_no_second_one(tmp_path: Path) -> None:
    source = folder(
        tmp_path,
        clients=CSV["clients"].replace("2021-03-01", "soon"),
        rates="currency,date,units_per_base,base\nEUR,x,0.8,USD\nEUR,y,0.9,USD\n",
    )
    assert len(faults(source)) == 3


def test_a_hostile_value_is_shown_on_one_line_and_cut(tmp_path: Path) -> None:
    bad = '"</td>\n\x1b[31m' + "x" * 200 + '"'
    [words] = faults(folder(tmp_path, **changed("transactions", "-2.25", bad)))
    assert "\n" not in words
    assert "\x1b" not in words
    assert len(words) < 160


def test_extra_columns_are_ignored_and_noted(tmp_path: Path) -> None:
    mart = check_source(
        folder(tmp_path, packages="color,package_id,name,size,size\nred,p1,G,1,2\nblue,p2,,3,4\n")
    )
    assert mart.faults == []
    assert mart.notes[0] == "packages.csv: extra columns are ignored: 'color', 'size', 'size'."


OTHERS = ("companies", "packages", "rates")
NEAR = [
    ("closed_at", "Closed_At"),
    ("closed_at", "closed at"),
    ("opening_balance", "opening_balance "),
    ("opening_balance", "Opening-Balance"),
    ("owner_user", "ownerUser"),
    ("tags", "\ufefftags"),
    ("client_id", "CLIENT_ID"),
    ("company", "ｃｏｍｐａｎｙ"),
]


@pytest.mark.parametrize("form", ["frames", "csv", "parquet", "duckdb"])
@pytest.mark.parametrize(("meant", "name"), NEAR)
def test_a_heading_that_nearly_names_a_column_is_a_fault(
    tmp_path: Path, form: str, meant: str, name: str
) -> None:
    mart = frames()
    mart["clients"] = mart["clients"].assign(**{name: ""})
    source = in_form(mart, tmp_path, form)
    near = [fault for fault in faults(source) if "resembles" in fault]
    if form == "duckdb" and name.lower() == meant:  # one name, to DuckDB
        assert near == []
        return
    assert len(near) == 1
    assert (
        f"resembles the column {meant} but does not match it, so it is not read: rename or remove it"
        in near[0]
    )
    for rule in ("refuse", "quarantine"):
        with pytest.raises(MartError, match="resembles the column"):
            run_report(EVERYONE, Source(source, rule))


@pytest.mark.parametrize(
    ("meant", "name", "letter"),
    [("opening_balance", "opening_balan\u0441e", "\u0441"), ("company", "\u0421ompany", "\u0441")],
)
def test_a_heading_with_a_letter_that_only_looks_latin_is_a_fault(meant: str, name: str, letter: str) -> None:
    mart = frames()
    mart["clients"] = mart["clients"].assign(**{name: ""})
    [fault] = [fault for fault in faults(mart) if "resembles" in fault]
    assert f"resembles the column {meant} but does not match it, so it is not read" in fault
    assert f"the letter '{letter}' in it is Cyrillic" in fault
    mart["clients"] = mart["clients"].rename(columns={name: "\u0441\u0443\u043c\u043c\u0430"})
    assert not [fault for fault in faults(mart) if "resembles" in fault]


def test_a_ledger_read_in_pieces_finds_near_names_too(tmp_path: Path) -> None:
    mart = frames()
    mart["transactions"]["Package ID"] = ""
    [fault] = faults(in_form(mart, tmp_path, "parquet"))
    assert "resembles the column package_id" in fault
    with pytest.raises(MartError, match="resembles the column"):
        run_report(EVERYONE, tmp_path)


NESTED = {
    "list": (["a"], pa.list_(pa.string())),
    "struct": ({"x": "a"}, pa.struct([("x", pa.string())])),
    "map": ([("a", "b")], pa.map_(pa.string(), pa.string())),
}
COLUMNS = [(table.name, column.name, column.kind) for table in TABLES.values() for column in table.columns]


@pytest.mark.parametrize("form", ["parquet", "frames"])
@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize(("table", "column", "kind"), COLUMNS)
def test_lists_structs_and_maps_are_faults_where_single_values_belong(
    tmp_path: Path, table: str, column: str, kind: str, nested: str, form: str
) -> None:
    mart = frames(**{name: pd.DataFrame({c: ["x"] for c in TABLES[name].column_names}) for name in OTHERS})
    value, kept_as = NESTED[nested]
    mart[table][column] = pd.Series([value] * len(mart[table]), dtype=object)
    source: Any = mart
    if form == "parquet":
        source = in_form({name: frame for name, frame in mart.items() if name != table}, tmp_path, form)
        data = pa.Table.from_pandas(mart[table].drop(columns=column), preserve_index=False)
        values = pa.array([value] * len(mart[table]), kept_as)
        pq.write_table(data.append_column(column, values), tmp_path / f"{table}.parquet")
    found = [str(fault) for fault in check_source(source).faults]
    of_column = [fault for fault in found if f", {column}: " in fault and fault.startswith(table)]
    assert bool(of_column) is not (kind == "tags" and nested == "list")
    with pytest.raises(MartError):
        run_report(EVERYONE, source)


def test_a_column_that_pandas_keeps_as_the_index_is_read() -> None:
    plain = numbers(frames())
    mart = frames()
    mart["clients"] = mart["clients"].set_index("client_id")
    mart["transactions"] = mart["transactions"].set_index(["at", "transaction_id"])
    assert numbers(mart) == plain
    mart["clients"] = mart["clients"].assign(client_id=["a", "b"])
    assert numbers(mart) == plain


def test_an_index_is_looked_at_like_columns_are() -> None:
    mart = frames()
    mart["clients"]["Closed At"] = ""
    mart["clients"] = mart["clients"].set_index(["client_id", "Closed At"])
    [fault] = faults(mart)
    assert "resembles the column closed_at" in fault
    twice = frames()
    twice["clients"] = twice["clients"].set_index(["client_id", "currency"]).rename_axis(["client_id"] * 2)
    with pytest.raises(SourceError, match="has the column 'client_id' twice"):
        check_source(twice)


def test_a_name_that_is_no_text_is_words(tmp_path: Path) -> None:
    source = in_form(frames(), tmp_path, "parquet")
    clients = pq.read_table(source / "clients.parquet").append_column("extraZZ", pa.array(["", ""]))
    pq.write_table(clients, source / "clients.parquet", store_schema=False)
    data = (source / "clients.parquet").read_bytes().replace(b"extraZZ", b"extra\xff\xff")
    (source / "clients.parquet").write_bytes(data)
    with pytest.raises(SourceError, match=r"clients\.parquet"):
        check_source(source)


INT96_YEARS = [1601, 1677, 1678, 1970, 2261, 2262, 2263, 2600, 9999]


@pytest.mark.parametrize("year", INT96_YEARS)
def test_times_of_the_old_parquet_type_are_read_in_every_year(tmp_path: Path, year: int) -> None:
    mart = in_form(frames(), tmp_path, "parquet")
    clients = pq.read_table(mart / "clients.parquet")
    at = datetime(year, 12, 31, 23, 59, 59)
    clients = clients.append_column("closed_at", pa.array([at, None], pa.timestamp("us")))
    pq.write_table(clients, mart / "clients.parquet", use_deprecated_int96_timestamps=True)
    stored = check_source(mart).tables["clients"].columns["closed_at"]
    assert datetime(1970, 1, 1) + timedelta(microseconds=int(stored[0])) == at


UNITS = {"s": (1, 9999), "ms": (1, 9999), "us": (1, 9999), "ns": (1678, 2261)}


@pytest.mark.parametrize("form", ["parquet", "frames"])
@pytest.mark.parametrize(("unit", "year"), [(u, year) for u, ends in UNITS.items() for year in ends])
def test_each_unit_of_time_is_read_at_both_ends_of_its_range(
    tmp_path: Path, unit: str, year: int, form: str
) -> None:
    at = datetime(year, 6, 15, 12)
    times = pa.array([at, None], pa.timestamp(unit))
    if form == "frames":
        source: Any = frames()
        source["clients"]["closed_at"] = times.to_pandas()
    else:
        source = in_form(frames(), tmp_path, form)
        clients = pq.read_table(source / "clients.parquet")
        pq.write_table(clients.append_column("closed_at", times), source / "clients.parquet")
    stored = check_source(source).tables["clients"].columns["closed_at"]
    assert datetime(1970, 1, 1) + timedelta(microseconds=int(stored[0])) == at


def test_a_near_name_is_not_noted_as_ignored_and_cannot_act_on_a_terminal() -> None:
    mart = frames()
    mart["clients"] = mart["clients"].assign(**{"closed\x1b[31mAt": "", "Closed\x1bAt": "", "shoe": ""})
    found = check_source(mart)
    assert [note for note in found.notes if "extra" in note] == [
        "clients: extra columns are ignored: 'closed\\x1b[31mAt', 'shoe'."
    ]
    assert "\x1b" not in "".join(map(str, found.faults))


def in_form(mart: Mapping[str, pd.DataFrame], folder: Path, form: str) -> Any:
    """Return DataFrames as a source of some form."""
    if form == "frames":
        return mart
    if form == "duckdb":
        with duckdb.connect(str(folder / "mart.duckdb")) as database:
            for table, frame in mart.items():
                database.register("frame", frame)
                database.execute(f"create table {table} as select * from frame")
                database.unregister("frame")
        return folder / "mart.duckdb"
    for table, frame in mart.items():
        if form == "csv":
            frame.to_csv(folder / f"{table}.csv", index=False)
        else:
            frame.to_parquet(folder / f"{table}.parquet")
    return folder


# The forms of one mart


def test_csv_parquet_and_frames_of_the_same_data_give_the_same_report(tmp_path: Path) -> None:
    source = folder(tmp_path / "csv")
    texts = {name: pd.read_csv(source / f"{name}.csv", dtype=str, keep_default_na=False) for name in CSV}
    (tmp_path / "parquet").mkdir()
    for name, frame in texts.items():
        frame.to_parquet(tmp_path / "parquet" / f"{name}.parquet")
    for group_by in ([], ["month"], ["date", "package"]):
        query = ReportQuery.from_dict({**EVERYONE.to_dict(), "group_by": group_by})
        expected = numbers(source, query)
        assert numbers(texts, query) == expected
        assert numbers(tmp_path / "parquet", query) == expected


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\n\n" + text,
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in text.split("\n")[:-1]),
    ],
    ids=["mark", "CRLF", "CR", "blank lines first", "blank lines between", "no end", "all quoted"],
)
def test_csv_dialects_read_the_same(tmp_path: Path, disguise: Any) -> None:
    plain = numbers(folder(tmp_path / "plain"))
    dressed = folder(tmp_path / "dressed", **{name: disguise(text) for name, text in CSV.items()})
    assert faults(dressed) == []
    assert numbers(dressed) == plain


def test_a_quoted_cell_may_hold_line_breaks_commas_and_quotes(tmp_path: Path) -> None:
    source = folder(tmp_path, **changed("packages", "Gold", '"Go\r\nld, the ""best"" 5"'))
    assert check_source(source).tables["packages"].columns["name"][0].as_py() == 'Go\r\nld, the "best" 5'


def test_a_quote_inside_an_unquoted_cell_is_a_character(tmp_path: Path) -> None:
    source = folder(tmp_path, **changed("packages", "Gold", '5" pipe'))
    assert check_source(source).tables["packages"].columns["name"][0].as_py() == '5" pipe'


@pytest.mark.parametrize("column", ["package_id", "comment"])
@pytest.mark.parametrize("close", ["", 'x"y'], ids=["never", "rows later"])
def test_an_unclosed_quote_is_an_error(tmp_path: Path, column: str, close: str) -> None:
    rows = CSV["transactions"].replace("package_id", column).replace("refill,10,", 'refill,10,"')
    rows = rows.replace("other,0.5,", f"other,0.5,{close}")
    with pytest.raises(
        SourceError, match=r"transactions\.csv: the row that starts on line 2 has an opening quote"
    ):
        check_source(folder(tmp_path, transactions=rows, packages=None))


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    latin = CSV["clients"].replace("Three", "Müller").encode("latin-1")
    with pytest.raises(SourceError, match=r"clients\.csv, line 4: byte 0xfc is not UTF-8"):
        check_source(folder(tmp_path, clients=latin))


def test_an_extra_column_need_not_be_utf8_even_beside_ragged_rows(tmp_path: Path) -> None:
    source = folder(tmp_path, packages=b"package_id,name,notes\np1,Gold,M\xfcller\np2,x\n")
    assert faults(source) == ["packages.csv, row 3: 'p2,x' has 2 cells, but there are 3 columns"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_a_file_without_headings_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match=r"rates\.csv is empty: it has no headings"):
        check_source(folder(tmp_path, rates=content))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_table_of_headings_alone_has_no_rows(tmp_path: Path, end: str) -> None:
    headings = {name: text.split("\n")[0] + end for name, text in CSV.items()}
    source = folder(tmp_path, **headings)
    assert faults(source) == []
    query = ReportQuery(interval="this_month", currency="USD")
    assert run_report(query, source).message == "There is nothing to show: no client matches the filters."


def test_a_column_given_twice_is_an_error_in_every_form(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"packages\.csv has the column 'name' twice"):
        check_source(folder(tmp_path / "csv", packages="package_id,name,name\np1,a,b\n"))
    source = folder(tmp_path / "parquet", packages=None)
    ids = pa.array(["p1"])
    pq.write_table(pa.table([ids, ids], ["package_id", "package_id"]), source / "packages.parquet")
    with pytest.raises(SourceError, match=r"packages\.parquet has the column 'package_id' twice"):
        check_source(source)
    clients = frames()["clients"]
    with pytest.raises(SourceError, match="The DataFrame clients has the column 'client_id' twice"):
        check_source(frames(clients=pd.concat([clients, clients], axis=1)))


# Sources that are none


def test_a_table_as_csv_and_as_parquet_is_an_error(tmp_path: Path) -> None:
    source = folder(tmp_path / "both")
    pd.DataFrame({"package_id": ["p1"]}).to_parquet(source / "packages.parquet")
    with pytest.raises(SourceError, match=r"packages twice, as packages\.csv and packages\.parquet"):
        run_report(EVERYONE, source)


@pytest.mark.parametrize("table", ["clients", "transactions"])
def test_a_required_table_that_is_missing_is_named(tmp_path: Path, table: str) -> None:
    with pytest.raises(SourceError, match=rf"has no {table}\.csv or {table}\.parquet"):
        run_report(EVERYONE, folder(tmp_path, **{table: None}))
    left = {name: frame for name, frame in frames().items() if name != table}
    with pytest.raises(SourceError, match=f"The table '{table}' is missing from the DataFrames"):
        run_report(EVERYONE, left)


@pytest.mark.parametrize(
    "source", ["x" * 300, "a\0b", "~nobody-of-this-name/x", "/tmp/\udcff", 5, None, b"/"]
)
def test_a_source_that_is_not_a_folder_is_an_error(source: Any) -> None:
    with pytest.raises(SourceError) as caught:
        run_report(EVERYONE, source)
    caught.value.message.encode()  # can be written anywhere


def test_something_other_than_a_file_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path, packages=None)
    place = source / "packages.csv"
    place.mkdir()
    with pytest.raises(SourceError, match=r"'packages\.csv' is a folder without \.csv files"):
        run_report(EVERYONE, source)
    place.rmdir()
    place.symlink_to(place.name)
    with pytest.raises(SourceError, match=r"has packages\.csv, which is not a file"):
        run_report(EVERYONE, source)
    with pytest.raises(SourceError, match="is not a folder that exists"):
        run_report(EVERYONE, place)


def test_a_file_that_may_not_be_read_is_an_error_without_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder(tmp_path)
    real = Path.open

    def refuse(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "clients.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError) as caught:
        run_report(EVERYONE, source)
    assert caught.value.message == "clients.csv cannot be read: Permission denied"


def test_a_folder_whose_name_is_not_utf8_is_read_and_named(tmp_path: Path) -> None:
    report = run_report(EVERYONE, folder(tmp_path / "sh\udcffop"), as_of="2021-04-01")
    assert report.info.source == "sh\\udcffop"


@pytest.mark.parametrize("damage", [slice(0), slice(-20), slice(20, None)])
def test_a_damaged_parquet_file_is_an_error(tmp_path: Path, damage: slice) -> None:
    source = folder(tmp_path, packages=None)
    path = source / "packages.parquet"
    pd.DataFrame({"package_id": ["p1"]}).to_parquet(path)
    path.write_bytes(path.read_bytes()[damage])
    with pytest.raises(SourceError, match=r"packages\.parquet cannot be read"):
        run_report(EVERYONE, source)


def test_parquet_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    source = folder(tmp_path, packages=None)
    offsets, data = pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"p\xff")
    text = pa.StringArray.from_buffers(1, offsets, data)
    pq.write_table(pa.table({"package_id": text}), source / "packages.parquet")
    with pytest.raises(SourceError, match=r"packages\.parquet, column package_id: .*UTF8"):
        run_report(EVERYONE, source)


def test_other_types_and_unknown_tables_are_errors() -> None:
    with pytest.raises(SourceError, match="A mart has no table 'client', only clients, transactions"):
        run_report(EVERYONE, {"client": frames()["clients"]})
    with pytest.raises(SourceError, match=r"The table 'clients' must be a pandas DataFrame, .*, not \[1\]"):
        run_report(EVERYONE, frames(clients=[1]))  # type: ignore[arg-type]


# Types of columns


def same_as_plain(source: Mapping[str, pd.DataFrame]) -> bool:
    return bool(numbers(source) == numbers(frames()))


ID_PAIRS = {
    "int": [1, 2],
    "float with gaps": [1.0, 2.0],
    "decimal": objects(Decimal("1.00"), Decimal("2.00")),
    "int category": pd.Categorical([1, 2]),
    "text category": pd.Categorical(["1", "2"]),
    "Int64": pd.array([1, 2], dtype="Int64"),
    "string": pd.array(["1", "2"], dtype="string"),
    "string_view": pd.array(["1", "2"], dtype=pd.ArrowDtype(pa.string_view())),
    "dictionary": pd.array(["1", "2"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    "mixed": objects(1, "2"),
}


@pytest.mark.parametrize("ids", ID_PAIRS.values(), ids=ID_PAIRS)
def test_an_id_is_its_digits_or_its_text_whatever_the_column_is(ids: object) -> None:
    source = frames()
    source["clients"]["client_id"] = ["1", "2"]
    source["transactions"]["client_id"] = ids
    assert same_as_plain(source)


def test_ids_with_gaps_are_whole_numbers_in_parquet_too(tmp_path: Path) -> None:
    ledger = frames()["transactions"].assign(package_id=[10.0, np.nan])
    (tmp_path / "clients.csv").write_text(frames()["clients"].to_csv(index=False))
    pq.write_table(
        pa.Table.from_pydict({n: pa.array(s.to_numpy()) for n, s in ledger.items()}),
        tmp_path / "transactions.parquet",
    )
    ids = check_source(tmp_path).tables["transactions"].columns["package_id"]
    assert ids.to_pylist() == ["10", None]


def test_a_uuid_is_its_usual_text() -> None:
    source = with_column("clients", "client_id", objects(uuid.UUID(int=1), uuid.UUID(int=2**127)))
    ids = check_source(source).tables["clients"].columns["client_id"]
    assert ids.to_pylist() == [str(uuid.UUID(int=1)), str(uuid.UUID(int=2**127))]


AMOUNT_PAIRS = {
    "float": [-1.5, 2.0],
    "float32": np.array([-1.5, 2.0], np.float32),
    "decimal": objects(Decimal("-1.5"), Decimal(2)),
    "decimal and int": objects(Decimal("-1.5"), 2),
    "decimal and float": objects(Decimal("-1.5"), 2.0),
    "text and int": objects("-1.5", 2),
    "text and numpy float": objects(np.float64(-1.5), "2"),
    "text and float32": objects(np.float32(-1.5), "2"),
    "Float64": pd.array([-1.5, 2.0], dtype="Float64"),
    "decimal256": pd.array([Decimal("-1.5"), Decimal(2)], dtype=pd.ArrowDtype(pa.decimal256(50, 9))),
    "string_view": pd.array(["-1.5", "2"], dtype=pd.ArrowDtype(pa.string_view())),
    "category": pd.Categorical(["-1.5", "2"]),
}


@pytest.mark.parametrize("amounts", AMOUNT_PAIRS.values(), ids=AMOUNT_PAIRS)
def test_an_amount_is_the_same_whatever_the_column_is(amounts: object) -> None:
    assert same_as_plain(with_column("transactions", "amount", amounts))


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        (Decimal("1E+100000"), "has an exponent, but amounts must be plain decimals"),
        (Decimal("Infinity"), "is not a number"),
        (True, "is not a plain decimal number"),
        (1j, "is not a plain decimal number"),
        ([1], "is not a plain decimal number"),
        (2**80, "is too large: the largest amount is 9 223 372 036 854.775807"),
        (0.1 + 0.2, "has more than 6 decimal places"),
        ("\ud800", "is not a plain decimal number"),
        (np.timedelta64(1, "s"), "is not a plain decimal number"),
    ],
)
def test_a_python_value_that_is_not_an_amount_is_a_fault(amount: object, why: str) -> None:
    [words] = faults(with_column("transactions", "amount", objects(amount, "2")))
    assert words.startswith("transactions, row 1, amount: ")
    assert words.endswith(why)


def test_numpy_scalars_of_several_types_in_one_column_are_read() -> None:
    [words] = faults(with_column("transactions", "at", objects(np.datetime64("2021-01-05"), np.float32(1))))
    assert words == "transactions, row 2, at: '1.0' is not an ISO 8601 time"
    assert same_as_plain(
        with_column("transactions", "at", objects(np.datetime64("2021-01-05"), "2021-02-05"))
    )


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, Decimal("NaN"), "", " \t"])
def test_every_kind_of_missing_is_blank(missing: object) -> None:
    [words] = faults(with_column("transactions", "amount", objects("1", missing)))
    assert words.endswith("is blank, but a value is required")
    assert faults(with_column("clients", "opening_balance", objects("1", missing))) == []
    assert faults(with_column("clients", "closed_at", objects("2022-01-01", missing))) == []


def test_a_column_of_nothing_but_missing_values_is_blank() -> None:
    blank = {n: objects(None, np.nan) for n in ("name", "company", "tags", "closed_at", "opening_balance")}
    source = frames(clients=frames()["clients"].assign(**blank))
    assert same_as_plain(source)


def test_a_client_name_may_look_like_a_missing_value() -> None:
    source = frames()
    for frame in source.values():
        frame["client_id"] = objects("<NA>", 1)
    assert same_as_plain(source)


AWARE = datetime(2021, 1, 5, 2, tzinfo=timezone(timedelta(hours=2)))
TIME_PAIRS = {
    **{u: np.array(["2021-01-05", "2021-02-05"], f"datetime64[{u}]") for u in ("s", "ms", "us", "ns")},
    "zoned": pd.to_datetime(["2021-01-05", "2021-02-05"]).tz_localize("UTC").tz_convert("Asia/Tokyo"),
    "dates": objects(date(2021, 1, 5), date(2021, 2, 5)),
    "naive": objects(datetime(2021, 1, 5), datetime(2021, 2, 5)),
    "mixed offsets": objects(AWARE, datetime(2021, 2, 5, tzinfo=UTC)),
    "aware and naive": objects(AWARE, datetime(2021, 2, 5)),
    "naive and aware": objects(datetime(2021, 1, 5), datetime(2021, 2, 5, tzinfo=UTC)),
    "time and text": objects(pd.Timestamp("2021-01-05"), "2021-02-05"),
    "string_view": pd.array(["2021-01-05", "2021-02-05"], dtype=pd.ArrowDtype(pa.string_view())),
}  # fmt: skip


@pytest.mark.parametrize("times", TIME_PAIRS.values(), ids=TIME_PAIRS)
def test_a_time_is_the_same_instant_whatever_the_column_is(times: object) -> None:
    assert same_as_plain(with_column("transactions", "at", times))


@pytest.mark.parametrize("at", [10**17, -(10**17), 3 * 10**11])
def test_a_timestamp_outside_the_calendar_is_a_fault(at: int) -> None:
    times = np.array([at, 0], "datetime64[s]")
    [words] = faults(with_column("transactions", "at", times))
    assert words.startswith("transactions, row 1, at: ")
    assert words.endswith("is outside the years 1 to 9999")


@pytest.mark.parametrize("times", [[1, 2], [1.5, 2.5], [True, False], pd.period_range("2021", periods=2)])
def test_a_column_of_another_type_is_not_a_time(times: object) -> None:
    words = faults(with_column("transactions", "at", times))
    assert [w.endswith("is not an ISO 8601 time") for w in words] == [True, True]


TAG_PAIRS = {
    "text": ["vip; new;;", None],
    "list": objects(["vip", " new "], None),
    "tuple": objects(("vip", "new"), ()),
    "array": objects(np.array(["vip", "new"]), np.array([], dtype=object)),
    "gaps": objects(["vip", None, "new", np.nan], []),
    "list and text": objects(["vip", "new"], ""),
    "fixed size": pd.array([["vip", "new"], ["", " "]], dtype=pd.ArrowDtype(pa.list_(pa.string(), 2))),
    "large list": pd.array([["vip", "new"], None], dtype=pd.ArrowDtype(pa.large_list(pa.large_string()))),
    "category": pd.Categorical(["vip;new", ""]),
}


@pytest.mark.parametrize("tags", TAG_PAIRS.values(), ids=TAG_PAIRS)
def test_tags_come_as_text_or_as_lists(tags: object) -> None:
    columns = check_source(with_column("clients", "tags", tags)).tables["clients"].columns
    assert [found or [] for found in columns["tags"].to_pylist()] == [["vip", "new"], []]


def test_tags_of_numbers_are_their_digits_and_structures_are_faults() -> None:
    columns = check_source(with_column("clients", "tags", objects([1], [2, 3]))).tables["clients"].columns
    assert columns["tags"].to_pylist() == [["1"], ["2", "3"]]
    assert faults(with_column("clients", "tags", objects({"a": 1}, None))) == [
        "clients, row 1, tags: \"{'a': 1}\" is not a list of strings"
    ]


def test_surrogates_and_control_characters_are_preserved() -> None:
    names = objects("\ud800<script>", "=cmd|'\x00\ufffe")
    source = frames(packages=pd.DataFrame({"package_id": ["p", "q"], "name": names}))
    source["transactions"]["package_id"] = ["p", "q"]
    source["transactions"]["kind"] = "package_renewal"
    query = ReportQuery.from_dict({**EVERYONE.to_dict(), "group_by": ["package"]})
    report = run_report(query, source, as_of="2021-04-01")
    assert [row.labels[0] for row in report.rows] == ["=cmd|'\x00\ufffe", "\\ud800<script>", "(no package)"][
        :2
    ]
    assert Report.from_dict(report.to_dict()) == report


def test_a_column_that_cannot_be_text_is_a_fault_for_each_value() -> None:
    words = faults(with_column("clients", "owner_user", objects({"a": 1}, None)))
    assert words == ["clients, row 1, owner_user: \"{'a': 1}\" is not text"]


def test_every_error_says_what_to_do() -> None:
    for column in ("client_id", "client_type", "currency", "created_at"):
        for junk in (objects([], {}), objects(b"\xff", "x"), [np.inf, -np.inf], [np.nan, np.nan]):
            with pytest.raises(CustDynError):
                run_report(EVERYONE, with_column("clients", column, junk))
