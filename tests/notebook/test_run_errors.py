"""What is said of a run that failed: where and why, but nothing that the notebook says of itself."""

from __future__ import annotations

import nbformat.v4 as v4
import pytest
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from custdyn_widgets.notebook.run import FinishedRun, _CurrentCell, _run_error
from tests.make_report import make_report


def at(number: int) -> _CurrentCell:
    """Return the cell that a run of three has reached."""
    cell = _CurrentCell("board.ipynb", 3, lambda _: None)
    for _ in range(number):
        cell.enter(v4.new_code_cell("1"))
    return cell


def failed_with(name: str, message: str = "hunter2") -> PapermillExecutionError:
    return PapermillExecutionError(1, 1, "password = 'hunter2'", name, message, ["hunter2"])


def test_a_run_knows_where_it_is() -> None:
    assert [str(at(number)) for number in (0, 2)] == [
        "The start of board.ipynb",
        "Code cell 2 of 3 of board.ipynb",
    ]
    assert at(2).in_sentence() == "code cell 2 of 3 of board.ipynb"
    assert [at(number).has_started for number in range(4)] == [False, True, True, True]
    assert [at(number).is_last for number in range(5)] == [False, False, False, True, True]


def test_words_and_markup_are_no_cells_of_a_run() -> None:
    cell = at(1)
    cell.enter(v4.new_markdown_cell("words"))
    cell.enter(v4.new_code_cell("a = 1", metadata={"tags": ["injected-parameters"]}))
    assert str(cell) == "Code cell 1 of 3 of board.ipynb"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ValueError", "ValueError"),
        ("E" * 60, "E" * 60),
        ("E" * 61, "an error"),
        ("str('hunter2')", "an error"),
    ],
)
def test_of_an_error_in_a_cell_only_a_plain_name_is_shown(name: str, shown: str) -> None:
    assert _run_error(failed_with(name), at(2)).message == (
        f"Code cell 2 of 3 of board.ipynb failed with {shown}. Its message is not shown, because it may "
        "contain confidential data. Nothing was published. For details, open the notebook in JupyterLab with "
        "the same parameters."
    )


def test_an_error_of_this_package_is_shown_with_its_message() -> None:
    error = _run_error(failed_with("QueryError", "The interval is empty."), at(1))
    assert error.message == (
        "Code cell 1 of 3 of board.ipynb failed: The interval is empty. Nothing was published."
    )


@pytest.mark.parametrize(
    ("error", "number", "words"),
    [
        (RuntimeError("hunter2"), 0, "The start of .* failed: the kernel ended before it was ready"),
        (RuntimeError("hunter2"), 1, r"could not be run \(RuntimeError\)"),
        (DeadKernelError("hunter2"), 0, "The start of .* failed: the kernel ended before it was ready"),
        (DeadKernelError("hunter2"), 1, "was running when the kernel died"),
        (ValueError("hunter2"), 0, r"could not be run \(ValueError\)"),
    ],
)
def test_a_kernel_that_ended_is_told_apart_from_one_that_never_began(
    error: Exception, number: int, words: str
) -> None:
    told = _run_error(error, at(number))
    assert told.message.count("Nothing was published.") == 1
    assert "hunter2" not in told.message
    with pytest.raises(type(told), match=words):
        raise told


def test_a_finished_run_has_no_pdf_unless_it_was_asked_for() -> None:
    assert FinishedRun(make_report(1), {}, []).pdf is False
