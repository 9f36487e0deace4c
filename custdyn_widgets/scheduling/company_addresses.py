"""The CSV file that lists each company's e-mail addresses.

    company,address
    Northwind,anna@northwind.example
    Northwind,ben@northwind.example

A report sent to a wrong address cannot be taken back, so one faulty line refuses the whole file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from custdyn_widgets.errors import RunError, shown
from custdyn_widgets.saved_queries import MOST_RECIPIENTS
from custdyn_widgets.text import ascii_address, mailbox

_HEADINGS = ["company", "address"]
_MOST_BYTES = 5_000_000
_LISTED = 20


def read_addresses(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the addresses of each company, in the order of the file.

    Raises
    ------
    RunError
        If the file cannot be read, or is not such a file; or if lines are faulty, with their numbers.
    """
    found: dict[str, list[str]] = {}
    faults: list[str] = []
    try:
        for line, row in _rows(path):
            fault = _fault_of(row, found)
            if fault:
                faults.append(f"  line {line:,}: {fault}")
            else:
                found.setdefault(row[0], []).append(row[1])
    except csv.Error as error:
        raise RunError(f"{path.name} is not a CSV of companies and addresses: {error}.") from error
    if faults:
        count = f"{len(faults):,} faulty line{'' if len(faults) == 1 else 's'}"
        more = [f"  … and {len(faults) - _LISTED:,} more"] if len(faults) > _LISTED else []
        raise RunError(
            "\n".join([f"{path.name} has {count}, so nothing was sent:", *faults[:_LISTED], *more])
        )
    if not found:
        raise RunError(f"{path.name} names no company: give a line with its name and an address for each.")
    return {company: tuple(addresses) for company, addresses in found.items()}


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines after the header with their line numbers; check the header."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    if next(reader, None) != _HEADINGS:
        raise RunError(f"The first line of {path.name} must be: {','.join(_HEADINGS)}")
    for row in reader:
        if row:
            yield reader.line_num, row


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise RunError(
                f"The saved query names a file of addresses, {shown(path.name)}, that does not exist."
            )
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RunError(f"The file of addresses {path.name} cannot be read: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise RunError(
            f"{path.name} is larger than {_MOST_BYTES:,} bytes, too large for a file of addresses."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RunError(f"{path.name} is not UTF-8: save it as UTF-8.") from None


def _fault_of(row: list[str], found: dict[str, list[str]]) -> str:
    """Return what is wrong with a line, given the lines before it; empty if nothing is."""
    if len(row) != len(_HEADINGS):
        return f"has {len(row):,} values, not a company and an address"
    company, address = row
    if not company.strip():
        return "names no company"
    if ascii_address(address) is None:
        return f"{shown(address)} is not a plain e-mail address"
    known = found.get(company, [])
    if mailbox(address) in map(mailbox, known):
        return f"{shown(address)} is there twice for {shown(company)}"
    if len(known) == MOST_RECIPIENTS:
        return f"{shown(company)} has more than {MOST_RECIPIENTS} addresses: use a mailing list"
    return ""
