"""Convert test marts (dicts of lists of dicts of text) to the forms that the product reads."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd

from tests import oracle

# The type of each column, if it is not text.
COLUMNS: dict[str, dict[str, str]] = {
    "clients": {
        "client_id": "", "name": "", "client_type": "", "company": "", "owner_user": "", "tags": "tags",
        "currency": "", "created_at": "instant", "closed_at": "instant", "opening_balance": "amount",
        "stored_balance": "amount",
    },
    "transactions": {
        "transaction_id": "", "client_id": "", "at": "instant", "kind": "", "amount": "amount",
        "package_id": "",
    },
    "companies": {"company": "", "parent": ""},
    "packages": {"package_id": "", "name": ""},
    "rates": {"currency": "", "date": "", "units_per_base": "amount", "base": ""},
}  # fmt: skip


def frames(mart: oracle.Mart) -> dict[str, pd.DataFrame]:
    """Return a mart as DataFrames of text, keeping blanks."""
    return {name: text_frame(rows, list(COLUMNS[name])) for name, rows in mart.items()}


def text_frame(rows: Sequence[oracle.Row], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in columns}, dtype=object)


def typed_frames(mart: oracle.Mart) -> dict[str, pd.DataFrame]:
    """Return a mart as typed DataFrames: instants as datetimes, amounts as Decimal, tags as lists."""
    found = frames(mart)
    for name, frame in found.items():
        for column, kind in COLUMNS[name].items():
            if kind:
                values = [MEANINGS[kind](text) if text else None for text in frame[column]]
                frame[column] = pd.Series(
                    values, dtype="datetime64[us, UTC]" if kind == "instant" else object
                )
    return found


def tag_list(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(";") if tag.strip()]


MEANINGS = {"instant": oracle.instant, "amount": Decimal, "tags": tag_list}


def write_csv(mart: oracle.Mart, folder: Path) -> Path:
    """Write a mart as a folder of CSV files and return the folder."""
    for name, rows in mart.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(COLUMNS[name]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def write_parquet(mart: oracle.Mart, folder: Path) -> Path:
    """Write a mart as a folder of typed Parquet files and return the folder."""
    for name, frame in typed_frames(mart).items():
        for column in (column for column, kind in COLUMNS[name].items() if kind == "amount"):
            frame[column] = frame[column].map(str, na_action="ignore")  # Arrow's decimals have one scale
        frame.to_parquet(folder / f"{name}.parquet")
    return folder
