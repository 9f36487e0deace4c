"""The table of columns in the README, from the registry: `python -m tests.readme_columns` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from custdyn_widgets.engine.metrics import SURPRISES
from custdyn_widgets.engine.registry import METRICS

README = Path(__file__).parents[1] / "README.md"
_PLACE = re.compile(r"(<!-- columns: .*? -->\n)(.*?)(<!-- end of columns -->)", re.DOTALL)


def columns_markdown() -> str:
    """Return the table and what surprises people."""
    lines = ["| group | column | unit | what it is |", "|---|---|---|---|"]
    lines += [
        f"| {c.group} | {c.label} | {c.unit} | {c.definition} |" for m in METRICS.values() for c in m.columns
    ]
    return "\n".join([*lines, "", *(f"- {s}" for s in SURPRISES)]) + "\n"


def with_columns(readme: str) -> str:
    """Return the README with the table as the registry has it."""
    return _PLACE.sub(lambda m: f"{m[1]}\n{columns_markdown()}\n{m[3]}", readme)


if __name__ == "__main__":
    README.write_text(with_columns(README.read_text(encoding="utf-8")), encoding="utf-8")
