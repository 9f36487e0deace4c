"""Conversion of reports to JSON values and back, with Decimals as strings and without any floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report.cohorts import CohortTriangle
from custdyn_widgets.report.report import Column, Info, Quote, Report, Row

FORMAT = 1
_EXTENDED_FORMAT = 2  # for units and keys that the first format lacks


def report_to_dict(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    is_plain = all(_is_plain(c) for c in report.columns) and report.triangle is None
    return {
        "format": FORMAT if is_plain else _EXTENDED_FORMAT,
        "query": report.query.to_dict(),
        "headings": list(report.headings),
        "columns": [_column_to_dict(c) for c in report.columns],
        "rows": [_row_to_dict(r) for r in report.rows],
        "total": _row_to_dict(report.total) if report.total else None,
        "info": _info_to_dict(report.info),
        "message": report.message,
        "definitions": list(report.definitions),
        "charts": dict(report.charts),
        **({"triangle": report.triangle.to_dict()} if report.triangle else {}),
    }


def report_from_dict(data: Mapping[str, Any]) -> Report:
    """Return a report from the output of `report_to_dict`.

    Raises
    ------
    CustDynError
        If this version cannot read the format.
    """
    if data.get("format") not in (FORMAT, _EXTENDED_FORMAT):
        raise CustDynError(
            f"This report is in format {data.get('format')!r}, but this version reads only formats {FORMAT} "
            f"and {_EXTENDED_FORMAT}. Install a newer version of custdyn-widgets."
        )
    columns = tuple(Column(**c) for c in data["columns"])
    info = dict(data["info"])
    info["quotes"] = tuple(Quote(**q) for q in info["quotes"])
    info["warnings"] = tuple(info["warnings"])
    info["data_gaps"] = tuple(info.get("data_gaps", ()))
    return Report(
        query=ReportQuery.from_dict(data["query"]),
        headings=tuple(data["headings"]),
        columns=columns,
        rows=tuple(_row_from_dict(r, columns) for r in data["rows"]),
        total=_row_from_dict(data["total"], columns) if data["total"] else None,
        info=Info(**info),
        message=data["message"],
        definitions=tuple(data["definitions"]),
        charts=data["charts"],
        triangle=CohortTriangle.from_dict(data["triangle"]) if "triangle" in data else None,
    )


def _plain(value: object) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]


def _is_plain(column: Column) -> bool:
    return column.unit in ("count", "money") and column.part == "value"


def _column_to_dict(column: Column) -> dict[str, Any]:
    plain = _plain(column)
    if column.part == "value":
        del plain["part"]
    return plain


def _row_to_dict(row: Row) -> dict[str, Any]:
    plain = _plain(row)
    plain["labels"] = list(row.labels)
    plain["values"] = [str(v) if isinstance(v, Decimal) else v for v in row.values]
    return plain


def _row_from_dict(data: Mapping[str, Any], columns: Sequence[Column]) -> Row:
    values = (
        Decimal(v) if c.unit != "count" and v is not None else v
        for c, v in zip(columns, data["values"], strict=True)
    )
    return Row(**{**data, "labels": tuple(data["labels"]), "values": tuple(values)})


def _info_to_dict(info: Info) -> dict[str, Any]:
    plain = _plain(info)
    plain["quotes"] = [_plain(q) for q in info.quotes]
    plain["warnings"] = list(info.warnings)
    plain["versions"] = dict(info.versions)
    gaps = plain.pop("data_gaps")
    return {**plain, "data_gaps": list(gaps)} if gaps else plain
