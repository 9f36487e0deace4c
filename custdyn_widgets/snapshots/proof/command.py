"""The command line of the standalone verifier: `python verify.pyz FILE.zip --key KEY`."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

from custdyn_widgets.snapshots.proof.checking import check_zip
from custdyn_widgets.snapshots.proof.ed25519 import is_key, keys_in

_MAX_KEY_BYTES = 100_000


def trusted_keys(given: str) -> list[str]:
    """Return the public keys in an argument: a key in hexadecimal, or the name of a file with keys.

    Raises
    ------
    ValueError
        If there is no such file, or it contains no Ed25519 key. The message completes a sentence that begins
        with the argument.
    """
    if is_key(given.lower()):
        return [given.lower()]
    try:
        with Path(given).open("rb") as file:
            return keys_in(file.read(_MAX_KEY_BYTES))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ValueError(f"is neither a key (64 hexadecimal digits) nor a readable file: {why}") from error


def main(arguments: list[str] | None = None) -> int:
    """Check the ZIP named in the arguments, print the verdict and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="verify.pyz",
        description="Check a downloaded snapshot of a report: its signature and every byte.",
        epilog="Exit codes: 0 verified; 1 not as published, or signed with another key; 2 usage error; "
        "3 nothing is wrong, but nothing is proven without a signature or --key.",
    )
    parser.add_argument("file", metavar="FILE.zip", type=Path)
    parser.add_argument(
        "--key", metavar="KEY", help="the operator's public key: a PEM file or hexadecimal digits"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    try:
        keys = trusted_keys(chosen.key) if chosen.key is not None else []
        verdict = check_zip(chosen.file, keys)
    except ValueError as error:
        parser.error(f"--key {chosen.key!a} {error}")
    except OSError as error:
        parser.error(f"{str(chosen.file)!a} cannot be read: {error.strerror}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # some terminals cannot show all characters
    print(json.dumps(verdict.to_dict(), indent=1) if chosen.json else verdict.text())
    return verdict.exit_code
