"""Cells that print without end: the run ends all the same, at its time limit at the latest."""

from __future__ import annotations

import re
import time
from pathlib import Path

import nbformat.v4 as v4
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import RunError
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.output_bound import OutputSize
from custdyn_widgets.notebook.run import run_template
from custdyn_widgets.notebook.streams import join_streams, overwrite
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots.store import Store
from tests.notebook.test_notebook_run import FREEZE, GIVEN, MAKE, published, settings, template

__all__ = ["settings"]  # a fixture

PRINTED = (
    "print('x' * 60_000_000)",
    "print('\\r'.join(['x'] * 1_000_000))",
    "print('x' * 1_000_000 + '\\b' * 1_000_000)",
    "for n in range(20_000):\n    print(f'\\r{n}', end='', flush=n % 100 == 0)",
)
DISPLAYED = (
    "from IPython.display import HTML, Markdown\nHTML('<table class=\"dataframe\">' + '<div>' * 900_000)",
    "HTML('<table class=\"dataframe\">' + '<p></x>' * 600_000)",
    "HTML('<table ' * 4_000_000)",
    "Markdown('[' * 3_000_000)",
)
ENDLESS = {
    "carriage returns": "import sys\nwhile True: sys.stdout.write('\\r' * 1000); sys.stdout.flush()",
    "updates": (
        "from IPython.display import display, update_display\n"
        "display('a', display_id='one')\n"
        "while True: update_display('x' * 100, display_id='one')"
    ),
}


@pytest.mark.slow
def test_long_outputs_end_and_are_left_out_or_cut(tmp_path: Path, settings: Settings) -> None:
    frozen = run_template(template(tmp_path, MAKE, *PRINTED, FREEZE), GIVEN, settings=settings, timeout_s=120)
    page = Store(settings.snapshots).read(str(frozen.id), "report.html").decode()
    assert len(page) < 500_000
    assert "more characters are left out" in page
    assert "19999" in page


@pytest.mark.slow
def test_long_displays_end_and_are_left_out(tmp_path: Path, settings: Settings) -> None:
    frozen = run_template(
        template(tmp_path, MAKE, *DISPLAYED, FREEZE), GIVEN, settings=settings, timeout_s=120
    )
    page = Store(settings.snapshots).read(str(frozen.id), "report.html").decode()
    assert len(page) < 500_000
    assert page.count("Left out here: HTML") == 3
    assert "Left out here: Markdown of more than 20,000 characters." in page


@pytest.mark.slow
@pytest.mark.parametrize("cell", ENDLESS.values(), ids=ENDLESS)
def test_an_endless_output_is_ended_by_the_time_limit(tmp_path: Path, settings: Settings, cell: str) -> None:
    began = time.monotonic()
    with pytest.raises(RunError, match="was still running after 6 seconds and was stopped"):
        run_template(template(tmp_path, MAKE, cell, FREEZE), GIVEN, settings=settings, timeout_s=6)
    assert time.monotonic() - began < 60
    assert published(settings) == []


FLOODS = {
    "lines": "while True: print('x' * 100_000)",
    "one line": "import sys\nwhile True: sys.stdout.write('x' * 100_000)",
    "displays": "while True: display('x' * 100_000)",
    "a display that grows": (
        "display('a', display_id='one')\n"
        "for n in (1, 40, 80): update_display('x' * n * 1_000_000, display_id='one')"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("cell", FLOODS.values(), ids=FLOODS)
def test_a_run_is_stopped_when_its_outputs_exceed_the_bound(
    tmp_path: Path, settings: Settings, cell: str
) -> None:
    imports = "from IPython.display import display, update_display\n"
    with pytest.raises(RunError) as caught:
        run_template(
            template(tmp_path, MAKE, imports + cell, FREEZE), GIVEN, settings=settings, timeout_s=120
        )
    assert caught.value.message == (
        "The notebook printed or displayed more than 64 MB and was stopped in code cell 3 of 4 of "
        "mine.ipynb. Nothing was published. Print less."
    )
    assert published(settings) == []


def sent(kind: str, cell: str = "1", **content: object) -> dict[str, object]:
    return {"msg_type": kind, "parent_header": {"msg_id": cell}, "content": content}


def displayed(kind: str, text: str, cell: str = "1") -> dict[str, object]:
    return sent(kind, cell, data={"text/plain": text}, transient={"display_id": "one"})


@pytest.mark.parametrize(
    ("messages", "total"),
    [
        ([sent("stream", text="abc"), sent("stream", "2", text="de")], 5),
        ([sent("stream", text="abc"), sent("status", execution_state="idle")], 3),
        ([sent("stream", text="abc"), sent("clear_output", wait=True), sent("stream", text="d")], 1),
        ([sent("stream", text="abc"), sent("stream", "2", text="de"), sent("clear_output", "2")], 3),
        ([displayed("display_data", "abc"), displayed("update_display_data", "de", "2")], len("deone")),
        ([displayed("update_display_data", "de")], 0),
    ],
)
def test_the_size_of_outputs_is_that_of_what_is_kept(messages: list[dict[str, object]], total: int) -> None:
    size = OutputSize()
    for message in messages:
        size.add(message)
    assert size.total == total


def stream(name: str, text: str) -> object:
    return v4.new_output("stream", name=name, text=text)


@given(st.text("ab\r\b\n", max_size=30))
def test_a_text_is_overwritten_as_by_a_terminal_that_writes_its_line_again(text: str) -> None:
    """By the rules that Jupyter's own joining has for carriage returns, one at a time."""
    expected = "\n".join(re.sub(".*\r", "", line.rstrip("\r")) for line in text.split("\n"))
    while "\b" in expected:
        expected = re.sub("(?m)(^|[^\n\b])\b", "", expected, count=1)
    assert overwrite(text) == expected


@given(
    st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.text("ab\n", max_size=4)), max_size=8),
)
def test_a_stream_is_joined_at_the_place_of_its_first_piece(pieces: list[tuple[str, str]]) -> None:
    outputs = [stream(name, text) for name, text in pieces]
    joined = join_streams(outputs)  # type: ignore[arg-type]
    assert [one.name for one in joined] == [n for n in ("stdout", "stderr") if n in dict(pieces)]
    for one in joined:
        assert one.text == "".join(text for name, text in pieces if name == one.name)
    assert [one.text for one in outputs] == [text for _, text in pieces]  # type: ignore[attr-defined]


def test_the_error_stream_comes_after_the_other_and_nothing_behind_them_is_lost() -> None:
    shown = v4.new_output("display_data", {"text/plain": "shown"})
    outputs = [stream("stderr", "e"), stream("stdout", "o"), shown, shown]
    assert join_streams(outputs) == [outputs[1], outputs[0], shown, shown]  # type: ignore[arg-type]


def test_what_stands_between_two_pieces_stays_behind_the_first() -> None:
    shown = v4.new_output("display_data", {"text/plain": "shown"})
    cell = v4.new_code_cell("", outputs=[stream("stdout", "a"), shown, stream("stdout", "b\rc")])
    sections = author_sections(v4.new_notebook(cells=[cell]))
    assert [section.content for section in sections[1:]] == ["c", "shown"]
