"""The nbconvert exporter: the inert page of a notebook that has been run, with its report if it froze one."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import Any

import nbformat.v4 as v4
import pytest
from nbconvert.exporters import get_exporter
from nbconvert.utils.exceptions import ConversionException

from custdyn_widgets.nbconvert_exporter import CustomerDynamicsExporter
from custdyn_widgets.publish.freezing import Frozen, publish
from custdyn_widgets.render import report_charts
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store, life
from tests.make_report import make_report
from tests.notebook.test_author_cells import code, display
from tests.payloads import PAYLOADS
from tests.render.test_hostile_text import Markup

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
REPORT = make_report(3)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "store"))
    monkeypatch.delenv("CUSTDYN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "store")


def frozen_in(store: Store, report: Any = REPORT) -> Frozen:
    return publish(report, Settings(store.folder, store.folder, store.folder), drawn=report_charts(report))


def notebook(*cells: Any) -> Any:
    return v4.new_notebook(cells=list(cells))


def shows(frozen: Frozen) -> Any:
    """Return the last cell of a run: `freeze(report)` and the link that it shows."""
    cell = code(display(text_html=frozen._repr_html_() or "", text_plain=repr(frozen)), tags=("remove-cell",))
    cell.execution_count = 9
    return cell


def exported(*cells: Any, **config: Any) -> str:
    page, resources = CustomerDynamicsExporter(**config).from_notebook_node(
        notebook(*cells), {"metadata": {"name": "board"}}
    )
    assert resources["output_extension"] == ".html"
    return page


def test_the_page_has_the_frozen_report_with_the_authors_cells_around_it(store: Store) -> None:
    page = exported(
        v4.new_markdown_cell("Words *before* it"),
        code(display(text_html="<table class='custdyn'><tr><td>9,999</td></tr></table>"), tags=("report",)),
        code(v4.new_output("stream", name="stdout", text="words after it\n")),
        shows(frozen_in(store)),
    )
    assert (
        page.index("Words <em>before</em> it") < page.index("Clients - Active") < page.index("words after it")
    )
    assert "9,999" not in page  # the report's own place is taken by the frozen one
    frozen_page = store.read(store.ids()[0], "report.html").decode()
    table = re.search("<tbody>.*?</tbody>", frozen_page, re.DOTALL)
    assert table
    assert table[0] in page
    assert "hunter2" not in page  # code is never shown


def test_of_two_frozen_reports_the_last_is_shown(store: Store) -> None:
    first, last = frozen_in(store), frozen_in(store, make_report(7))
    assert "2021-07" in exported(shows(first), shows(last))
    assert "2021-07" not in exported(shows(last), shows(first))


@pytest.mark.parametrize("harm", ["revoked", "elsewhere", "never"])
def test_without_the_report_the_page_shows_the_cells_and_says_so(
    store: Store, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = frozen_in(store)
    if harm == "revoked":
        life.revoke(store, str(frozen.id))
    if harm == "elsewhere":
        monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(store.folder / "none"))
    cells = [
        v4.new_markdown_cell("# Words"),
        code(display(text_html=REPORT._repr_html_()), tags=("report",)),
        *([] if harm == "never" else [shows(frozen)]),
    ]
    page = exported(*cells)
    assert ("instead of the report that it froze" in page) == (harm != "never")
    assert "<h1>board</h1>" in page
    assert "<h2>Words</h2>" in page
    assert "Clients - Active" in page  # as the cell showed it
    assert "/view?id=" not in page


@pytest.mark.parametrize(
    "html_text",
    [
        '<p>The report was frozen: <a href="https://evil.example/view?id={0}">{0}</a></p><script>x</script>',
        '<p>The report was frozen: <a href="/view?id={0}"onclick=x>',
        "<p>The report was frozen: {0}</p>",
        "{0}",
    ],
)
def test_a_hostile_link_brings_at_most_the_frozen_report(store: Store, html_text: str) -> None:
    snapshot_id = str(frozen_in(store).id)
    page = exported(code(display(text_html=html_text.format(snapshot_id))))
    assert "evil.example" not in page
    Markup(page).assert_inert()


def test_every_payload_in_every_place_stays_text(store: Store) -> None:
    texts = [text for text in PAYLOADS if not re.search("[\ud800-\udfff]", text)]
    cells = []
    for text in texts:
        table = f'<table class="dataframe"><tr><td>{text}</td></tr></table>'
        cells += [
            v4.new_markdown_cell(text),
            code(v4.new_output("stream", name="stdout", text=text), display(text_plain=text)),
            code(display(text_html=text), display(text_html=table), display(text_markdown=text)),
            code(display(**{"image_svg+xml": f"<svg>{text}</svg>", "application_javascript": text})),
            code(display(**{"application_javascript": "window.pwned=1", "text_html": text})),
        ]
    for shown in ([], [shows(frozen_in(store))]):
        page = exported(*cells, *shown)
        markup = Markup(page)
        pictures = {value for name, value in markup.attributes if name == "src"}
        assert all(str(value).startswith("data:image/svg+xml;base64,") for value in pictures)
        markup.tags -= {"img"}
        markup.attributes = {(name, value) for name, value in markup.attributes if name != "src"}
        markup.assert_inert()
        assert "window.pwned = 1" in html.unescape(page)


def test_a_hostile_name_of_a_notebook_stays_text() -> None:
    name = "</title><script>window.pwned=1</script>"
    page, _ = CustomerDynamicsExporter().from_notebook_node(
        notebook(v4.new_markdown_cell("x")), {"metadata": {"name": name}}
    )
    assert "<script" not in page
    assert html.escape(name) in page


def test_a_notebook_that_failed_says_so_and_shows_no_report(store: Store) -> None:
    error = v4.new_output("error", ename="ValueError", evalue="hunter2", traceback=["hunter2"])
    page = exported(
        code(v4.new_output("stream", name="stdout", text="x")), code(error), shows(frozen_in(store))
    )
    assert "The notebook stopped with an error in code cell 2 of 3." in page
    assert "Clients - Active" not in page
    assert "hunter2" not in page
    expected = code(error, tags=("raises-exception",))
    assert "Clients - Active" in exported(expected, shows(frozen_in(store)))


def test_a_notebook_that_was_not_run_is_an_error_and_one_of_words_is_not() -> None:
    with pytest.raises(ConversionException, match="has not been run"):
        exported(v4.new_markdown_cell("x"), code())
    assert "<h2>Words alone</h2>" in exported(v4.new_markdown_cell("# Words alone"))
    assert "The notebook has nothing to show." in exported()


def test_it_never_runs_a_notebook(tmp_path: Path) -> None:
    from traitlets.config import Config

    cell = v4.new_code_cell(f"open({str(tmp_path / 'pwned')!r}, 'w')", execution_count=1)
    for config in (
        Config({"ExecutePreprocessor": {"enabled": True}}),
        Config(
            {"CustomerDynamicsExporter": {"preprocessors": ["nbconvert.preprocessors.ExecutePreprocessor"]}}
        ),
    ):
        with pytest.raises(ConversionException, match=r"never runs a notebook\. Remove --execute"):
            exported(cell, config=config)
    exported(cell)
    assert not (tmp_path / "pwned").exists()


def test_cells_that_nbconvert_is_told_to_remove_are_removed() -> None:
    from traitlets.config import Config

    config = Config({"TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": ["mine"]}})
    hidden = v4.new_markdown_cell("hidden words", metadata={"tags": ["mine"]})
    assert "hidden words" not in exported(hidden, v4.new_markdown_cell("x"), config=config)
    assert "hidden words" in exported(hidden)


def test_a_page_with_a_secret_is_not_made(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setenv("DB_PASSWORD", "a-secret-of-the-operator")
    printed = v4.new_output("stream", name="stdout", text="a-secret-of-the-operator")
    for more in ([], [shows(frozen_in(store))]):
        with pytest.raises(ConversionException, match="not created because the notebook shows") as caught:
            exported(code(printed), *more)
        assert "a-secret" not in str(caught.value)


def test_a_damaged_snapshot_is_an_error(store: Store) -> None:
    frozen = frozen_in(store)
    path = store.path(str(frozen.id)) / "report.json"
    path.write_bytes(path.read_bytes().replace(b"2021", b"2020"))
    with pytest.raises(ConversionException, match="is damaged"):
        exported(shows(frozen))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jupyter-scheduler itself
def test_the_scheduler_offers_the_page_as_a_format_that_nbconvert_knows() -> None:
    from custdyn_widgets.scheduler_formats import EnvironmentManager

    manager, name = EnvironmentManager(), "custdyn_widgets.nbconvert_exporter.html"
    formats = manager.output_formats_mapping()
    assert formats == {"ipynb": "Notebook", "html": "HTML", name: "Customer Dynamics page"}
    assert all(environment.output_formats == list(formats) for environment in manager.list_environments())
    assert get_exporter(name) is CustomerDynamicsExporter
