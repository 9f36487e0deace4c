"""Completing the tags that WeasyPrint writes for screen readers."""

from __future__ import annotations

from typing import Any


def complete_tags(_document: Any, pdf: Any) -> None:
    """Mark each heading cell as a column heading or a row heading.

    WeasyPrint instead lists the headings of each data cell, but lists a heading that spans several columns
    only for the first of them. Its lists are removed because they take precedence over the heading cells.

    Parameters
    ----------
    pdf
        The `pydyf.PDF`, before it is written.
    """
    dictionaries = (item for item in pdf.objects if hasattr(item, "get"))
    elements = {item.reference: item for item in dictionaries if item.get("Type") == "/StructElem"}
    for element in elements.values():
        if element["S"] == "/TD":
            element["A"].pop("Headers", None)
        elif element["S"] == "/TH":
            element.pop("ID", None)
            row = elements[element["P"]]
            heads_row = any(kid in elements and elements[kid]["S"] == "/TD" for kid in row["K"])
            element["A"]["Scope"] = "/Row" if heads_row else "/Column"
