"""A workaround for the slow import of jsonschema, which altair, nbformat and papermill need.

On import, jsonschema prepares checkers for string formats. For `iri` and `iri-reference` it imports
`rfc3987_syntax`, which immediately builds a parser: this takes more than a second in each process, for a
check that no notebook or chart needs. (JupyterLab installs the package, through jupyter-events'
`jsonschema[format-nongpl]`.)

Called before those imports, `load_jsonschema` gives jsonschema a placeholder instead, whose only function
imports the real package when an IRI is first checked. Every format is still checked, and importing
`rfc3987_syntax` later imports the real package. If either package is already imported, `load_jsonschema` does
nothing.
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
        importlib.import_module("jsonschema")  # its checkers keep the function of the placeholder
    finally:
        del sys.modules[_SLOW]


def _is_valid_syntax(rule: str, text: str) -> bool:
    return bool(importlib.import_module(_SLOW).is_valid_syntax(rule, text))
