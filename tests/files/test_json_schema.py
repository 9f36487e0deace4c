"""The way round the slow import loses no check of a format, and touches nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

CHECKED = """
import json, sys
{first}
import jsonschema
checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
loaded = "rfc3987_syntax" in sys.modules
checks = {{
    form: [checker.conforms(text, form) for text in ("https://é.example/ü?q#f", "no <iri>", "ü/x", "1:")]
    for form in sorted(checker.checkers)
}}
import rfc3987_syntax
whole = hasattr(rfc3987_syntax, "parse")
print(json.dumps([loaded, checks, whole, rfc3987_syntax.__file__]))
"""


def run(first: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", CHECKED.format(first=first)], capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_every_format_is_checked_as_before_and_the_parser_is_built_when_an_iri_is() -> None:
    slow_loaded, *before = run("")
    loaded, *after = run("from custdyn_widgets.files.json_schema import load_jsonschema; load_jsonschema()")
    assert (slow_loaded, loaded) == (True, False)
    assert "iri" in before[0]
    assert after == before


def test_a_process_that_has_the_parser_keeps_it() -> None:
    first = (
        "import rfc3987_syntax as real; from custdyn_widgets.files.json_schema import load_jsonschema;"
        "load_jsonschema();"
        "assert sys.modules['rfc3987_syntax'] is real"
    )
    assert run(first)[2] is True
