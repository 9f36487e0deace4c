"""A workaround for the slow import of jsonschema, which altair, nbformat and papermill need.

When it is imported, jsonschema prepares checkers for text formats. For `iri` and `iri-reference` it imports
`rfc3987_syntax`, which builds a parser at once: more than a second in each process, for a check that no
notebook or chart needs. (The package is there because JupyterLab
brings it, through jupyter-events' `jsonschema[format-nongpl]`.)

`load_jsonschema`, called before those imports, gives jsonschema a small placeholder instead, whose only
function imports the real package when an IRI is first checked. Every format is still checked, and importing
`rfc3987_syntax` later gives the real package. If jsonschema or that package is already imported,
`load_jsonschema` does nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

_SLOW = "rfc3987_syntax"


def load_jsonschema() -> None:
    """Import jsonschema without building its IRI parser until an IRI is checked."""
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
