"""The CSV file that lists each company's email addresses.

    company,address
    Northwind,anna@northwind.example
    Northwind,ben@northwind.example

A report sent to the wrong address cannot be recalled, so a single faulty line invalidates the whole file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from custdyn_widgets.errors import RunError, shown
from custdyn_widgets.saved_queries import MAX_RECIPIENTS
from custdyn_widgets.text import ascii_address, mailbox

_HEADINGS = ["company", "address"]
_MAX_BYTES = 5_000_000
_LISTED = 20


def read_addresses(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each company, in file order.

    Raises
    ------
    RunError
        If the file cannot be read or is not a valid list of addresses. The message lists the faulty lines.
    """
    found: dict[str, list[str]] = {}
    faults: list[str] = []
    try:
        for line, row in _rows(path):
            fault = _find_fault(row, found)
            if fault:
                faults.append(f"  line {line:,}: {fault}")
            else:
                found.setdefault(row[0], []).append(row[1])
    except csv.Error as error:
        raise RunError(f"{path.name} is not a valid CSV file: {error}.") from error
    if faults:
        count = f"{len(faults):,} faulty line{'' if len(faults) == 1 else 's'}"
        more = [f"  … and {len(faults) - _LISTED:,} more"] if len(faults) > _LISTED else []
        raise RunError(
            "\n".join([f"{path.name} has {count}, so nothing was sent:", *faults[:_LISTED], *more])
        )
    if not found:
        raise RunError(f"{path.name} lists no companies. Add a line with a company and an address.")
    return {company: tuple(addresses) for company, addresses in found.items()}


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Check the header and yield the remaining lines with their numbers."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    if next(reader, None) != _HEADINGS:
        raise RunError(f"The first line of {path.name} must be: {','.join(_HEADINGS)}")
    for row in reader:
        if row:
            yield reader.line_num, row


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise RunError(f"The saved query's address file {shown(path.name)} does not exist.")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise RunError(f"The address file {path.name} cannot be read: {error.strerror}.") from error
    if len(data) > _MAX_BYTES:
        raise RunError(f"{path.name} is too large for an address file: the limit is {_MAX_BYTES:,} bytes.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RunError(f"{path.name} is not encoded in UTF-8: save it as UTF-8.") from None


def _find_fault(row: list[str], found: dict[str, list[str]]) -> str:
    """Return what is wrong with a line, given the lines before it, or an empty string if it is valid."""
    if len(row) != len(_HEADINGS):
        return f"expected a company and an address, found {len(row):,} value{'' if len(row) == 1 else 's'}"
    company, address = row
    if not company.strip():
        return "the company is empty"
    if ascii_address(address) is None:
        return f"{shown(address)} is not a plain email address"
    known = found.get(company, [])
    if mailbox(address) in map(mailbox, known):
        return f"{shown(address)} is listed twice for {shown(company)}"
    if len(known) == MAX_RECIPIENTS:
        return f"{shown(company)} has more than {MAX_RECIPIENTS} addresses: use a mailing list"
    return ""
