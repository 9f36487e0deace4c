"""The examples for other schedulers in the documentation fit the template and the command.

Airflow itself is hundreds of packages, so the example is taken apart here without it.
"""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from custdyn_widgets.cli import main
from custdyn_widgets.notebook.parameters import check_names, parse_parameters
from custdyn_widgets.notebook.template import check_parameters, read_template
from custdyn_widgets.query.query import ReportQuery, parse_as_of
from custdyn_widgets.saved_queries import folders as saved_queries

ROOT = Path(__file__).parents[2]
TEXT = (
    (ROOT / "docs" / "scheduling.md")
    .read_text(encoding="utf-8")
    .partition("\n## From another scheduler\n")[2]
)
DAG, BASH = (block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "Operator(" in block)
MART = str(ROOT / "tests" / "golden" / "small" / "mart")
MOMENT = "2026-11-01T05:00:00+00:00"  # as Airflow's filter `ts` writes it


def keywords(source: str, operator: str) -> dict[str, object]:
    """Return what an operator is called with, the schedule's moment put in where Airflow would."""
    [call] = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == operator
    ]
    return {
        str(k.arg): ast.literal_eval(ast.unparse(k.value).replace("{{ data_interval_end | ts }}", MOMENT))
        for k in call.keywords
    }


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportQuery:
    monkeypatch.setenv("CUSTDYN_QUERIES", str(tmp_path / "queries"))
    monkeypatch.setenv("CUSTDYN_MY_QUERIES", str(tmp_path / "own"))
    query = ReportQuery(interval="last_month")
    saved_queries.save(saved_queries.SavedQuery("Board", query, source=MART), "shared", over=None)
    return query


def test_the_airflow_example_compiles_and_asks_what_the_template_knows(board: ReportQuery) -> None:
    compile(DAG, "scheduling.md", "exec")
    given = keywords(DAG, "PapermillOperator")
    template = read_template(ROOT / str(given["input_nb"]).removeprefix("/srv/reports/"))
    parameters = given["parameters"]
    assert isinstance(parameters, dict)
    check_names(parameters, {"saved", "as_of"})
    assert check_parameters(template, parameters).items() >= parameters.items()
    assert parse_parameters(parameters, tuple(parameters)) == (board, MART)
    assert parse_as_of(parameters["as_of"]) == parse_as_of("2026-11-01T05:00:00Z")


def test_the_bash_example_is_a_command_that_there_is() -> None:
    program, command, *arguments = shlex.split(str(keywords(BASH, "BashOperator")["bash_command"]))
    assert Path(program).name == "custdyn"
    assert re.search(r"^from airflow\S+ import BashOperator$", BASH, re.MULTILINE)
    asked_for = main.commands[command].make_context(command, arguments).params
    assert asked_for["saved_name"] == "board"
    assert parse_as_of(asked_for["as_of"]) == parse_as_of(MOMENT)


def test_the_kernel_of_the_airflow_example_is_the_one_that_is_made_before() -> None:
    assert f"ipykernel install --user --name {keywords(DAG, 'PapermillOperator')['kernel_name']}\n" in TEXT
