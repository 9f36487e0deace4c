"""Tables that accompany a report: the clients behind a row, and the retention triangle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from custdyn_widgets.cli.query_options import chosen_source, query_fields, query_options
from custdyn_widgets.cli.report_output import (
    as_of_option,
    chosen_format,
    json_option,
    print_data,
    source_option,
)
from custdyn_widgets.query import ReportQuery

_FORMATS = click.Choice(("table", "csv", "json"))
format_option = click.option(
    "--format", "form", type=_FORMATS, help="The output format.", show_default="table"
)


@click.command("clients")
@source_option
@query_options
@as_of_option
@click.option(
    "--row",
    "labels",
    multiple=True,
    metavar="LABEL",
    help="The row's label; repeat the option for each heading.",
)
@click.option("--total", is_flag=True, help="The clients behind the Total.")
@click.option(
    "--change",
    is_flag=True,
    help="Print the change in each client's flows, largest first. Requires a query with a comparison.",
)
@format_option
@json_option("Print JSON: short for --format json.")
def clients_command(
    source: str | None,
    query_file: Path | None,
    saved_name: str | None,
    as_of: str | None,
    labels: tuple[str, ...],
    total: bool,
    change: bool,
    form: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Print the clients behind a row of a report."""
    from custdyn_widgets.engine import clients_behind
    from custdyn_widgets.progress import ProgressBar

    source = chosen_source(source, saved_name)
    query = ReportQuery.from_dict(query_fields(query_file, saved_name, options))
    _check_row(query, labels, total)
    with ProgressBar():
        frame = clients_behind(query, labels or None, source, as_of=as_of, total=total, change=change)
    rows: list[Sequence[Any]] = list(frame.astype(object).itertuples(index=False, name=None))
    if change:
        rows = _largest_first(rows, list(frame.columns).index(f"{_sorted_flow(query)} Change"))
    _print(list(frame.columns), rows, chosen_format(form, as_json, "table"))


def _check_row(query: ReportQuery, labels: tuple[str, ...], total: bool) -> None:
    """Check that the options identify one row of a report.

    Raises
    ------
    click.UsageError
        If they do not; the message says which options to give.
    """
    count = len(query.group_by)
    if labels and total:
        raise click.UsageError("Give --row or --total, not both.")
    if labels and not count:
        raise click.UsageError("The query has no grouping, so the report has only one row: remove --row.")
    if total or len(labels) == count:
        return
    rows = " and ".join(f"--row LABEL for the {name.replace('_', ' ')}" for name in query.group_by)
    raise click.UsageError(f"Give {rows}, or --total for the Total.")


def _sorted_flow(query: ReportQuery) -> str:
    """Return the flow whose change determines the order: the query's first flow."""
    flows = {"refill": "Refill Total", "payg": "Pay As You Go Total", "packages": "Renew Total"}
    return next((flows[group] for group in query.columns if group in flows), flows["payg"])


def _largest_first(rows: Iterable[Sequence[Any]], place: int) -> list[Sequence[Any]]:
    """Sort rows by the size of a change, largest first and empty changes last; ties stay sorted by id."""
    return sorted(rows, key=lambda row: (row[place] is None, -abs(row[place] or 0)))


@click.command("cohorts")
@source_option
@query_options
@as_of_option
@format_option
@json_option("Print JSON: short for --format json.")
def cohorts_command(
    source: str | None,
    query_file: Path | None,
    saved_name: str | None,
    as_of: str | None,
    form: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Print the retention triangle: how many clients in each cohort had a paid use, month by month."""
    from custdyn_widgets.engine import cohort_triangle
    from custdyn_widgets.progress import ProgressBar

    source = chosen_source(source, saved_name)
    query = ReportQuery.from_dict(query_fields(query_file, saved_name, options))
    with ProgressBar():
        frame = cohort_triangle(query, source, as_of=as_of)
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    _print(list(frame.columns), rows, chosen_format(form, as_json, "table"))


def _print(headings: Sequence[str], rows: Iterable[Sequence[Any]], form: str) -> None:
    if form == "json":
        plain = [
            {h: str(v) if isinstance(v, Decimal) else v for h, v in zip(headings, row, strict=True)}
            for row in rows
        ]
        data = json.dumps(plain, ensure_ascii=True, indent=1).encode() + b"\n"
    elif form == "csv":
        from custdyn_widgets.render import table_csv

        data = table_csv(headings, rows)
    else:
        from custdyn_widgets.text import align_rows, printable

        values = [list(row) for row in rows]
        texts = [[printable("" if v is None else str(v)) for v in row] for row in (headings, *values)]
        right = [i for i in range(len(headings)) if any(isinstance(row[i], int | Decimal) for row in values)]
        lines = align_rows(texts, right=right)
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    print_data(data)
