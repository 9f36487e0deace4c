"""Joining the output streams of a cell in linear time.

A kernel sends a stream in pieces. When they are joined, carriage returns and backspaces take effect, as in a
terminal. In nbclient, this takes time quadratic in the length of a line and holds the interpreter lock, so a
time limit could not stop it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode


def join_streams(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Merge each stream in a cell's outputs into one output.

    It is placed where the stream first appears, and stdout goes before an adjacent stderr.
    """
    joined: list[NotebookNode] = []
    pieces: dict[str, list[str]] = {}
    for output in outputs:
        if output.output_type != "stream":
            joined.append(output)
        elif output.name in pieces:
            pieces[output.name].append(output.text)
        else:
            pieces[output.name] = [output.text]
            joined.append(output)
    for at, output in enumerate(joined):
        if output.output_type == "stream":
            joined[at] = type(output)({**output, "text": overwrite("".join(pieces[output.name]))})
    return _stdout_first(joined)


def overwrite(text: str) -> str:
    """Apply carriage returns and backspaces to a string, as a terminal does."""
    if "\r" not in text and "\b" not in text:
        return text
    return "\n".join(map(_overwrite_line, text.split("\n")))


def _overwrite_line(line: str) -> str:
    line = line.rstrip("\r")
    line = line[line.rfind("\r") + 1 :]
    if "\b" not in line:
        return line
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)


def _stdout_first(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Swap adjacent streams that the kernel sent in the wrong order."""
    names = [output.name if output.output_type == "stream" else "" for output in outputs]
    for at, pair in enumerate(itertools.pairwise(names)):
        if pair == ("stderr", "stdout"):
            outputs[at : at + 2] = outputs[at + 1], outputs[at]
    return outputs
