"""A workaround for the slow import of jsonschema, which altair, nbformat and papermill import.

On import, jsonschema prepares checkers for string formats. For `iri` and `iri-reference`, it imports
`rfc3987_syntax`, which immediately builds a parser. This takes more than a second in each process, for a
check that no notebook or chart needs. (JupyterLab installs `rfc3987_syntax`, because jupyter-events requires
`jsonschema[format-nongpl]`.)

`load_jsonschema`, if called before those imports, gives jsonschema a placeholder whose only function imports
the real package when an IRI is first checked. All formats are still checked, and importing `rfc3987_syntax`
later imports the real package. If either package is already imported, `load_jsonschema` does nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

_SLOW = "rfc3987_syntax"


def load_jsonschema() -> None:
    """Import jsonschema, but do not build its IRI parser until an IRI is checked."""
    if "jsonschema" in sys.modules or _SLOW in sys.modules or importlib.util.find_spec(_SLOW) is None:
        return
    stand_in = ModuleType(_SLOW)
    stand_in.is_valid_syntax = _is_valid_syntax  # type: ignore[attr-defined]
    sys.modules[_SLOW] = stand_in
    try:
        importlib.import_module("jsonschema")  # its checkers keep a reference to the function
    finally:
        del sys.modules[_SLOW]


def _is_valid_syntax(rule: str, text: str) -> bool:
    return bool(importlib.import_module(_SLOW).is_valid_syntax(rule, text))
