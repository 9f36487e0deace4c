"""Templates: what is read of a notebook, and which parameters it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import nbformat.v4 as v4
import pytest

from custdyn_widgets.errors import QueryError, RunError
from custdyn_widgets.notebook import template as template_module
from custdyn_widgets.notebook.template import Template, check_parameters, default_template, read_template

MART = Path(__file__).parents[1] / "golden" / "small" / "mart"
PARAMETERS = "source = None\ninterval = None\ncurrency = print('computed')\nheadline = 'none'\ncompany = []\n"


def cell(source: str, *tags: str, kind: Any = v4.new_code_cell, **more: object) -> Any:
    return kind(source, metadata={"tags": list(tags)}, **more)


def written(folder: Path, *cells: Any) -> Path:
    path = folder / "mine.ipynb"
    nbformat.write(v4.new_notebook(cells=list(cells)), path)
    return path


@pytest.fixture
def template(tmp_path: Path) -> Template:
    return read_template(written(tmp_path, cell(PARAMETERS, "parameters")))


def test_a_template_is_read_without_outputs_and_without_the_parameters_of_an_earlier_run(
    tmp_path: Path,
) -> None:
    output = v4.new_output("stream", name="stdout", text="of an earlier run")
    found = read_template(
        written(
            tmp_path,
            cell("# words", "parameters", kind=v4.new_markdown_cell),
            cell(PARAMETERS, "parameters"),
            cell("headline = 'stale'", "injected-parameters"),
            cell("headline = 'second'", "parameters", outputs=[output], execution_count=7),
        )
    )
    assert [one.source.split(" ")[0] for one in found.notebook.cells] == ["#", "source", "headline"]
    last = found.notebook.cells[-1]
    assert (last.outputs, last.execution_count) == ([], None)
    assert found.parameters == {"source": None, "interval": None, "headline": "none", "company": []}
    assert found.names == ("source", "interval", "currency", "headline", "company")


def test_what_is_no_template_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Cannot read the template '/none\.ipynb': No such file"):
        read_template(Path("/none.ipynb"))
    for content in ("", "[]", "{}", "no JSON"):
        (tmp_path / "mine.ipynb").write_text(content)
        with pytest.raises(RunError, match=r"^mine\.ipynb is not a Jupyter notebook\.$"):
            read_template(tmp_path / "mine.ipynb")
    for one in (cell(PARAMETERS), cell(PARAMETERS, "parameters", kind=v4.new_markdown_cell)):
        with pytest.raises(RunError, match="has no code cell tagged parameters"):
            read_template(written(tmp_path, one))


def test_parameters_are_made_ready_for_the_template(template: Template) -> None:
    given = {
        "source": str(MART),
        "interval": "last_month",
        "headline": 1.5,
        "company": ("a", "b"),
        "as_of": None,
    }
    assert check_parameters(template, given) == {
        "source": str(MART),
        "interval": "last_month",
        "headline": 1.5,
        "company": ("a", "b"),
    }


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("colour", "red", "colour"),
        ("as_of", "2021-01-01T00:00:00Z", "as_of"),  # known, but not in this template
        ("colour", None, "colour"),
        ("headline", {"a": 1}, "text, a number, true, false, null or a list of these"),
        ("headline", b"x", "text, a number"),
        pytest.param("headline", ["x", [object()]], "text, a number", id="headline-an object in a list"),
        ("headline", "a\ud800", "contains an incomplete character"),
        ("headline", ["x", ("a\ud800",)], "contains an incomplete character"),
    ],
    ids=str,
)
def test_a_parameter_that_the_template_does_not_take_is_refused(
    template: Template, name: str, value: object, words: str
) -> None:
    with pytest.raises(QueryError, match=words):
        check_parameters(template, {"source": str(MART), "interval": "last_month", name: value})


def test_the_default_template_is_that_of_the_checkout_or_else_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_template() == Path(__file__).parents[2] / "templates" / "customer_dynamics.ipynb"
    monkeypatch.setattr(template_module, "__file__", str(tmp_path / "package" / "notebook" / "template.py"))
    installed = tmp_path / "package" / "templates" / "customer_dynamics.ipynb"
    beside = tmp_path / "templates" / "customer_dynamics.ipynb"
    assert default_template() == installed
    (tmp_path / "pyproject.toml").write_text("")
    assert default_template() == installed
    beside.parent.mkdir()
    beside.write_text("")
    assert default_template() == beside
    (tmp_path / "pyproject.toml").unlink()
    assert default_template() == installed
