"""Cells that print without end: the run ends all the same, at its time limit at the latest."""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat.v4 as v4
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import RunError
from custdyn_widgets.notebook import output_bound, run
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.output_bound import OVERHEAD, CapturedOutputs, OutputSize
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
CAPTURED = "from ipywidgets import Output\nwith Output(): print('in a widget')\nprint('below a widget')"


@pytest.mark.slow
def test_long_outputs_end_and_are_left_out_or_cut_and_those_in_a_widget_are_not_shown(
    tmp_path: Path, settings: Settings
) -> None:
    path = template(tmp_path, MAKE, *PRINTED, CAPTURED, FREEZE)
    frozen = run_template(path, GIVEN, settings=settings, timeout_s=120)
    page = Store(settings.snapshots).read(str(frozen.id), "report.html").decode()
    assert len(page) < 500_000
    assert "more characters left out" in page
    assert "19999" in page
    assert "below a widget" in page
    assert "in a widget" not in page


@pytest.mark.slow
def test_long_displays_end_and_are_left_out(tmp_path: Path, settings: Settings) -> None:
    path = template(tmp_path, MAKE, *DISPLAYED, FREEZE)
    frozen = run_template(path, GIVEN, settings=settings, timeout_s=120)
    page = Store(settings.snapshots).read(str(frozen.id), "report.html").decode()
    assert len(page) < 500_000
    assert len(re.findall(r"Not shown here: (more than \d+ MB of )?HTML", page)) == 3
    assert "Not shown here: more than 20,000 characters of Markdown." in page


ENDLESS = (
    "import sys\n"
    "display('a', display_id='one')\n"
    "while True:\n"
    "    sys.stdout.write('\\r' * 1000)\n"
    "    sys.stdout.flush()\n"
    "    update_display('x' * 100, display_id='one')"
)


@pytest.mark.slow
def test_an_endless_output_is_ended_by_the_time_limit(tmp_path: Path, settings: Settings) -> None:
    began = time.monotonic()
    with pytest.raises(RunError, match="was still running after 6 seconds and was stopped"):
        run_template(template(tmp_path, IMPORTS + ENDLESS, FREEZE), GIVEN, settings=settings, timeout_s=6)
    assert time.monotonic() - began < 60
    assert published(settings) == []


@dataclass(frozen=True)
class Flood:
    """A cell that sends too much, what the run says of it, the bounds that are lower than the real ones, and
    the memory that it may take.

    A bound is lowered where reaching the real one would take longer and show nothing more.
    """

    cell: str
    ends: str
    bounds: Mapping[str, int] = field(default_factory=dict)
    memory_mb: int = 600


KEPT = "printed or displayed more than 64 MB"
SENT = "sent more than 1,024 MB of outputs and updates"
LESS_SENT, LESS_KEPT = {"MAX_SENT_MB": 128}, {"MAX_KEPT_MB": 1}
IMPORTS = (
    "from IPython.display import clear_output, display, update_display\nfrom ipywidgets import HTML, Output\n"
)
FLOODS = {
    "lines": Flood("while True: print('x' * 100_000)", KEPT),
    "one line": Flood("import sys\nwhile True: sys.stdout.write('x' * 100_000)", KEPT),
    "displays": Flood("while True: display('x' * 100_000)", KEPT),
    "a display that grows": Flood(
        "display('a', display_id='one')\n"
        "for n in (1, 40, 80): update_display('x' * n * 1_000_000, display_id='one')",
        KEPT,
    ),
    "many displays of one": Flood(
        "for n in range(200): display('a', display_id='one')\n"
        "while True: update_display('x' * 1_000_000, display_id='one')",
        KEPT,
    ),
    "a message of its own": Flood("display('x' * 500_000_000)", KEPT, memory_mb=700),
    "outputs cleared elsewhere": Flood(
        "while True:\n    print('x' * 10_000_000, flush=True)\n    with Output(): clear_output()", KEPT
    ),
    "empty displays": Flood("while True: display({'text/plain': ''}, raw=True)", KEPT, bounds=LESS_KEPT),
    "updates": Flood(
        "display('a', display_id='one')\nwhile True: update_display('x' * 10_000_000, display_id='one')",
        SENT,
        bounds=LESS_SENT,
    ),
    "large updates": Flood(
        "display('a', display_id='one')\ntext = 'x' * 60_000_000\n"
        "while True: update_display(text, display_id='one')",
        SENT,
        bounds={"MAX_SENT_MB": 512},  # more messages than may wait
    ),
    "updates of nothing": Flood(
        "while True: update_display('x' * 10_000_000, display_id='none')", SENT, bounds=LESS_SENT
    ),
    "cleared outputs": Flood(
        "while True: clear_output(wait=True); display('x' * 10_000_000)", SENT, bounds=LESS_SENT
    ),
    "values of a widget": Flood(
        "shown, n = HTML(), 0\nwhile True:\n    n += 1\n    shown.value = f'{n}' + 'x' * 10_000_000",
        SENT,
        bounds=LESS_SENT,
    ),
    "captured outputs": Flood(
        "with Output():\n    while True: print('x' * 10_000_000, flush=True)", SENT, bounds=LESS_SENT
    ),
    "empty objects": Flood(
        "one = {'text/plain': '', 'application/json': [{}] * 1_000_000}\nwhile True: display(one, raw=True)",
        SENT,
        bounds=LESS_SENT,
    ),
}
PATIENCE_S = 28


def megabytes(name: str) -> int:
    """Return a figure of this process: VmRSS is the memory that it has, VmHWM the most that it had."""
    [kilobytes] = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) // 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_stopped_at_a_bound_soon_and_in_little_memory(
    tmp_path: Path, settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood = FLOODS[name]
    for bound, lower in flood.bounds.items():
        monkeypatch.setattr(output_bound, bound, lower)
    path = template(tmp_path, IMPORTS + flood.cell, FREEZE)
    ctypes.CDLL(None).malloc_trim(0)  # gives back what earlier tests took
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again
    before, began = megabytes("VmRSS"), time.process_time()
    with pytest.raises(RunError) as caught:
        run_template(path, GIVEN, settings=settings, timeout_s=PATIENCE_S)
    assert caught.value.message == (
        f"The notebook {flood.ends} and was stopped in code cell 2 of 3 of mine.ipynb. "
        "Nothing was published. Print less, or update displays less often."
    )
    assert published(settings) == []
    assert time.process_time() - began < PATIENCE_S  # without what other programs use
    assert megabytes("VmHWM") - before < flood.memory_mb


@pytest.mark.slow
def test_a_cell_that_prints_faster_than_the_run_reads_loses_nothing(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(run, "author_sections", lambda executed: read.append(executed) or [])
    cell = "for n in range(5_000): print(n, 'x' * 8_000, flush=True)"  # more than fits into buffers
    run_template(template(tmp_path, MAKE, cell, FREEZE), GIVEN, settings=settings, timeout_s=300)
    outputs = next(c for c in read[0].cells if c.source == cell).outputs  # type: ignore[attr-defined]
    lines = "".join(one.text for one in outputs).splitlines()
    assert lines == [f"{n} {'x' * 8_000}" for n in range(5_000)]


@pytest.mark.slow
def test_a_message_that_cannot_be_read_ends_the_run(tmp_path: Path, settings: Settings) -> None:
    unreadable = (
        "data = get_ipython().display_pub\n"
        "data.session.send(data.pub_socket, 'display_data', None, parent=data.parent_header)\n"
        "while True: print('x' * 1000)"
    )
    with pytest.raises(RunError, match="The notebook sent an output that cannot be read and was stopped"):
        run_template(template(tmp_path, unreadable, FREEZE), GIVEN, settings=settings, timeout_s=120)


def sent(kind: str, cell: str = "1", **content: object) -> dict[str, object]:
    return {"msg_type": kind, "parent_header": {"msg_id": cell}, "content": content}


def displayed(kind: str, text: str, cell: str = "1") -> dict[str, object]:
    return sent(kind, cell, data={"text/plain": text}, transient={"display_id": "one"})


def cleared(cell: str = "1", *, wait: bool = False) -> dict[str, object]:
    return sent("clear_output", cell, wait=wait)


ABC, DE = sent("stream", text="abc"), sent("stream", "2", text="de")
SHOWN = displayed("display_data", "abc")


@pytest.mark.parametrize(
    ("messages", "size", "outputs"),
    [
        ([ABC, DE], 5, 2),
        ([ABC, sent("status", execution_state="idle")], 3, 1),
        ([ABC, cleared(), sent("stream", text="d")], 1, 1),
        ([ABC, cleared(wait=True)], 3, 1),
        ([ABC, cleared(wait=True), sent("stream", text="d"), sent("stream", text="e")], 2, 2),
        ([ABC, cleared(wait=True), DE, sent("stream", text="d")], 6, 3),
        ([ABC, DE, cleared("2")], 3, 1),
        ([SHOWN, displayed("update_display_data", "de", "2")], 2, 1),
        ([SHOWN, displayed("display_data", "de", "2")], 4, 2),
        ([SHOWN, SHOWN, displayed("update_display_data", "d", "2")], 2, 2),
        ([SHOWN, SHOWN, displayed("display_data", "de", "2"), cleared()], 2, 1),
        ([SHOWN, DE, cleared("2"), displayed("update_display_data", "abcdef", "2")], 6, 1),
        ([SHOWN, cleared(), displayed("update_display_data", "abcdef", "2")], 0, 0),
        ([displayed("update_display_data", "de")], 0, 0),
    ],
)
def test_the_size_of_outputs_is_that_of_what_is_kept(
    messages: list[dict[str, object]], size: int, outputs: int
) -> None:
    kept = OutputSize()
    for message in messages:
        content = message["content"]
        text = content.get("text") or content.get("data", {}).get("text/plain", "")  # type: ignore[attr-defined]
        kept.add(message, len(text))
    assert kept.total == size + outputs * OVERHEAD


def test_a_widget_captures_the_outputs_of_the_cell_that_it_names_until_it_names_none() -> None:
    captured = CapturedOutputs()
    opened = sent("comm_open", comm_id="w", data={"state": {"msg_id": ""}})
    begun = sent("comm_msg", comm_id="w", data={"state": {"msg_id": "1"}})
    ended = sent("comm_msg", comm_id="w", data={"state": {"msg_id": ""}})
    other = sent("comm_msg", comm_id="w", data={"state": {"value": 1}})
    idle = sent("status", execution_state="idle")
    messages = [ABC, opened, ABC, begun, ABC, other, cleared(), DE, idle, ended, ABC, cleared()]
    assert [captured.drops(message) for message in messages] == [
        False, True, False, True, True, True, True, False, False, True, False, False,
    ]  # fmt: skip


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
