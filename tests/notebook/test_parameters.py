"""A template's parameters: the accepted ones, and the errors that papermill would ignore."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custdyn_widgets.errors import QueryError, SavedQueryError
from custdyn_widgets.notebook.parameters import (
    NAMES,
    assigned_names,
    check_injected,
    flat_parameters,
    literal_values,
    query_from_parameters,
    source_from_parameters,
)
from custdyn_widgets.query import NO_VALUE, ROW_GROUPS
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries import folders as saved_queries

TEMPLATE = Path(__file__).parents[2] / "templates" / "customer_dynamics.ipynb"


def parameters_cell() -> str:
    cells = json.loads(TEMPLATE.read_text(encoding="utf-8"))["cells"]
    return "".join(next(c for c in cells if "parameters" in c["metadata"].get("tags", ()))["source"])


def test_the_template_offers_every_parameter_with_the_querys_own_defaults() -> None:
    values = literal_values(parameters_cell())
    assert tuple(values) == NAMES
    defaults = query_from_parameters({**values, "source": "mart", "interval": "today"})
    assert defaults == ReportQuery(interval="today")


def test_a_preset_and_a_fixed_period_give_the_query_they_mean() -> None:
    preset = query_from_parameters({"source": "m", "interval": "last_month", "group_by": ["package", "date"]})
    assert preset == ReportQuery(interval="last_month", group_by=("date", "package"))
    fixed = query_from_parameters(
        {"source": "m", "interval": None, "interval_start": "2021-01-01", "interval_end": "2021-01-31"}
    )
    assert fixed.to_dict()["interval"] == {"start": "2021-01-01 00:00:00", "end": "2021-01-31 23:59:59"}


@pytest.mark.parametrize("group", [*ROW_GROUPS])
def test_columns_groupings_and_comparison_pass_through_a_template(group: str) -> None:
    query = ReportQuery(
        interval="last_month",
        group_by=("month", group),
        columns=("payg", "movement"),
        compare="previous_year",
        company=(NO_VALUE,),
    )
    flat = flat_parameters({"source": "m", **query.to_dict()})
    assert query_from_parameters(flat) == query


@pytest.mark.parametrize("empty", ["", [], ()])
def test_an_empty_grouping_gives_a_single_row(empty: object) -> None:
    assert query_from_parameters({"source": "m", "interval": "today", "group_by": empty}).group_by == ()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "source"),
        ({"source": ""}, "source"),
        ({"source": 7}, "source"),
        ({"source": "m"}, "interval"),
        ({"source": "m", "interval": "last_mnth"}, "interval"),
        ({"source": "m", "interval": "today", "interval_start": "2021-01-01"}, "interval"),
        ({"source": "m", "interval_start": "2021-01-01"}, "interval_end"),
        ({"source": "m", "interval_start": "2021-02-01", "interval_end": "2021-01-01"}, "interval.start"),
        ({"source": "m", "interval": "today", "currency": 7}, "currency"),
        ({"source": "m", "interval": "today", "group_by": "month"}, "group_by"),
        ({"source": "m", "interval": "today", "include_descendants": "false"}, "include_descendants"),
        ({"source": "m", "interval": "today", "active_duration": "3"}, "active_duration"),
        ({"source": "m", "interval": "today", "as_of": 20210101}, "as_of"),
        ({"source": "m", "interval": "today", "as_of": "yesterday"}, "as_of"),
    ],
)
def test_an_invalid_value_is_refused_with_its_parameters_name(given: dict[str, object], field: str) -> None:
    with pytest.raises(QueryError) as caught:
        query_from_parameters(given)
    assert caught.value.field == field


def test_a_name_that_only_papermills_own_cell_sets_is_refused_with_the_nearest() -> None:
    cells = ["", "source = None\ninterval = None\n", '# Parameters\nsource = "m"\ncurency = "USD"\n']
    with pytest.raises(QueryError, match=r"'curency'.*'currency'"):
        query_from_parameters({"source": "m", "interval": "today", "curency": "USD", "In": cells})


def test_an_authors_own_parameters_and_other_variables_are_ignored() -> None:
    cells = ["", "source = None\nheadline = 'x'\n", '# Parameters\nsource = "m"\nheadline = "y"\n', "n = 5\n"]
    query = query_from_parameters({"source": "m", "interval": "today", "headline": "y", "n": 5, "In": cells})
    assert query == ReportQuery(interval="today")


def test_flattening_clears_the_other_form_of_the_interval() -> None:
    period = {"start": "2021-01-01", "end": "2021-01-31"}
    ends = {"interval_start": "2021-01-01", "interval_end": "2021-01-31"}
    assert flat_parameters({"interval": period}) == {"interval": None, **ends}
    assert flat_parameters(ends) == {"interval": None, **ends}
    assert flat_parameters({"interval": "today"}) == {
        "interval": "today",
        "interval_start": None,
        "interval_end": None,
    }


def test_computed_values_and_magics_give_no_literals() -> None:
    assert literal_values("a = 1\nb: list = [2]\nc = print('no')\n%magic") == {}
    assert literal_values("a = 1\nb: list = [2]\nc = 1 + x\n") == {"a": 1, "b": [2]}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportQuery:
    """A saved query, `board`, that names its source."""
    monkeypatch.setenv("CUSTDYN_QUERIES", str(tmp_path / "queries"))
    monkeypatch.setenv("CUSTDYN_MY_QUERIES", str(tmp_path / "own"))
    query = ReportQuery(interval="last_month", client_type="reseller", group_by=("date",))
    saved_queries.save(saved_queries.SavedQuery("Board", query, source="shop"), "mine", over=None)
    return query


@pytest.mark.parametrize(
    ("injected", "refused"),
    [
        ('saved = "board"\ncurency = "USD"', "'curency'.*'currency'"),
        ('saved = "board"\nclient_type = "client"', "client_type.*with saved"),
    ],
)
def test_jupyter_schedulers_cell_is_checked_like_papermills(
    board: ReportQuery, injected: str, refused: str
) -> None:
    everything = {**literal_values(parameters_cell()), **literal_values(injected)}
    with pytest.raises(QueryError, match=refused):
        query_from_parameters({**everything, "In": ["", parameters_cell(), injected]})


@pytest.mark.parametrize(
    "second",
    [
        parameters_cell() + "\nheadline = 'x'",  # run again by hand, with one more parameter
        "saved = 'board'\n# the one of Monday\nheadline = 'x'",
        "saved = 'board'\nheadline = saved.title()",
        "headline = 'x'",
    ],
)
def test_an_authors_cell_below_the_parameters_is_not_a_schedulers_cell(
    board: ReportQuery, second: str
) -> None:
    everything = {**literal_values(parameters_cell()), "saved": "board", "headline": "x"}
    assert query_from_parameters({**everything, "In": ["", parameters_cell(), second]}) == board


def test_a_cell_in_an_open_notebook_is_not_a_schedulers_cell(
    board: ReportQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = "saved = 'board'\nrows = 5"
    everything = {**literal_values(parameters_cell()), "saved": "board", "rows": 5}
    monkeypatch.setenv("JPY_SESSION_NAME", "board.ipynb")
    assert query_from_parameters({**everything, "In": ["", parameters_cell(), tried]}) == board


def test_saved_gives_a_whole_query_and_its_source(board: ReportQuery) -> None:
    everything = {**literal_values(parameters_cell()), "saved": "board"}
    assert query_from_parameters(everything) == board
    assert source_from_parameters(everything) == "shop"
    assert source_from_parameters({**everything, "source": "other"}) == "other"


@pytest.mark.parametrize(
    ("name", "value"),
    [("interval", "last_year"), ("interval_start", "2021-01-01"), ("group_by", []), ("client_type", "all")],
)
def test_a_field_given_with_saved_is_refused(board: ReportQuery, name: str, value: object) -> None:
    everything = {**literal_values(parameters_cell()), "saved": "board", name: value}
    with pytest.raises(QueryError, match="with saved") as caught:
        query_from_parameters(everything)
    assert caught.value.field == name


def test_a_field_that_papermill_sets_with_saved_is_refused_even_at_its_default(
    board: ReportQuery,
) -> None:
    cells = ["", parameters_cell(), '# Parameters\nsaved = "board"\nclient_type = "client"\n']
    everything = {**literal_values(parameters_cell()), "saved": "board", "In": cells}
    with pytest.raises(QueryError, match=r"client_type.*with saved"):
        query_from_parameters(everything)


def test_a_missing_saved_query_and_one_without_a_source_are_errors(board: ReportQuery) -> None:
    with pytest.raises(SavedQueryError, match="no saved query 'bord'"):
        query_from_parameters({"saved": "bord"})
    saved_queries.save(saved_queries.SavedQuery("Plain", board), "mine", over=None)
    with pytest.raises(QueryError, match="source is required"):
        query_from_parameters({"saved": "plain"})


def test_what_a_schedulers_cell_sets_is_told_and_nothing_else() -> None:
    first = "source = None\ninterval = None"
    for cells, names in (
        (None, ()),
        (5, ()),
        ([], ()),
        (["", first], ()),
        ([first, "# Parameters\nsource = 'm'\ninterval = 'today'\n"], ("source", "interval")),
        ([first, "source = 'm'"], ("source",)),
        ([first, "n = 5", "source = 'm'"], ()),  # not directly below the parameters
        ([first, "source = 'm'\ninterval = 'today'"], ()),  # the parameters, run again
        ([first, "source = 'm'\n\n"], ()),
        ([first, "%magic", "# Parameters\nsource: str = 'm'\nx.y = source"], ("source",)),
    ):
        assert check_injected(cells) == names, cells


def test_flattening_keeps_everything_but_the_interval() -> None:
    given = {"source": "m", "group_by": ["month"], "interval": None}
    assert flat_parameters(given) == given
    assert flat_parameters({"interval_end": "2021-01-31", "interval": "today"}) == {
        "interval": "today",
        "interval_start": None,
        "interval_end": "2021-01-31",
    }
    with pytest.raises(QueryError):
        flat_parameters({"interval": {"start": "2021-01-01"}})


def test_names_are_set_by_plain_statements_only() -> None:
    assert assigned_names("a = b = 1\nc: int\nd: int = 2\ne, f = 1, 2\ng[0] = 1\nfor h in (): i = 1") == [
        "a",
        "b",
        "d",
    ]
    assert literal_values("a = b = -1\nc = [1, {'x': None}]\nd = {[]: 1}") == {
        "a": -1,
        "b": -1,
        "c": [1, {"x": None}],
    }


def test_a_parameter_of_another_type_is_refused_with_its_name(board: ReportQuery) -> None:
    for name, value in (("saved", 5), ("source", ["m"]), ("as_of", 5)):
        with pytest.raises(QueryError) as caught:
            query_from_parameters({"source": "m", "interval": "today", name: value})
        assert caught.value.field == name
