"""The one place that gets round a slow import: jsonschema's, which altair, nbformat and papermill need.

jsonschema prepares checkers for the text formats of its schemas when it is imported. For the formats `iri`
and `iri-reference` it imports `rfc3987_syntax`, which builds a parser there and then: more than a second,
in each process, for a check that no notebook and no chart asks for. (The package is there because JupyterLab
brings it, through jupyter-events' `jsonschema[format-nongpl]`.)

`load_jsonschema`, called before the first of those imports, lets jsonschema find a small stand-in instead,
whose one function imports the real package when an IRI is checked for the first time. Nothing is lost: every
format is checked as before, and who imports `rfc3987_syntax` afterwards gets the real one. It touches the
process that calls it and no other; where jsonschema or the package was imported before, it does nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

_SLOW = "rfc3987_syntax"


def load_jsonschema() -> None:
    """Import jsonschema without building its parser of IRIs before one is checked."""
    if "jsonschema" in sys.modules or _SLOW in sys.modules or importlib.util.find_spec(_SLOW) is None:
        return
    stand_in = ModuleType(_SLOW)
    stand_in.is_valid_syntax = _is_valid_syntax  # type: ignore[attr-defined]
    sys.modules[_SLOW] = stand_in
    try:
        importlib.import_module("jsonschema")  # its checkers keep the function that they found
    finally:
        del sys.modules[_SLOW]


def _is_valid_syntax(rule: str, text: str) -> bool:
    return bool(importlib.import_module(_SLOW).is_valid_syntax(rule, text))
