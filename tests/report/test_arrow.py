"""A report as an Arrow table, for libraries that take one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa

from custdyn_widgets.report.arrow import arrow_table
from tests.make_report import make_report

LARGE = Decimal("99999999999999999999999999999999.999999")


def test_libraries_take_a_report_as_a_table_with_exact_amounts() -> None:
    report = make_report(4)
    values = tuple(LARGE if isinstance(value, Decimal) else value for value in report.rows[0].values)
    report = replace(report, rows=(replace(report.rows[0], values=values), *report.rows[1:]))
    table = pa.table(report)
    assert table.equals(arrow_table(report), check_metadata=True)
    assert table.num_rows == 4
    name, average = "Balance Refill: Total", "Balance Refill: Avg"
    assert table.schema.field(name).type == pa.decimal128(38, 6)
    assert table[name][0].as_py() == LARGE

    frame = pl.DataFrame(report)
    assert frame.schema[name] == pl.Decimal(38, 6)
    assert frame[name][0] == LARGE
    assert frame[average][3] is None

    found = duckdb.sql(f'SELECT "{name}" FROM report').fetchall()
    assert found == [(row,) for row in table[name].to_pylist()]


def test_a_schema_can_be_requested() -> None:
    wanted = pa.schema([(field.name, field.type) for field in arrow_table(make_report(1)).schema])
    wanted = wanted.set(0, wanted.field(0).with_type(pa.large_string()))
    assert pa.table(make_report(1), schema=wanted).schema.field(0).type == pa.large_string()
