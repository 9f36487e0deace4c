"""Reading a mart does not import pandas, which would take longer than reading a million rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from custdyn_widgets.mart.arrow_arrays import from_bools, from_numpy, from_texts, scalar, to_bools, to_numpy
from tests.bench.ledger import write_mart
from tests.bench.shapes import SHAPES, write_shape

OPEN_ALL = """
import sys
from pathlib import Path
from custdyn_widgets.mart.opening import open_mart

for folder in sys.argv[1:]:
    facts = open_mart(Path(folder)).facts
    assert len(facts.time) == 3_000, folder
    assert "pandas" not in sys.modules, folder
"""
CLIENTS = """client_id;name;client_type;company;tags;currency;created_at;closed_at;opening_balance
1;Ann;client;North;vip;EUR;31.12.2020 08:15:00;;1.234,50
2;;reseller;;;USD;1.2.2021 8:15;01.03.2021 08:15:00;0
3;Zoë;client; ;a;b;EUR;2021-01-01;;-0,5
"""
TRANSACTIONS = """transaction_id;client_id;at;kind;amount;package_id
A1;1;31.12.2020 09:00;refill;10,5;
A2;1;01.01.2021 09:00:00.25;package_activation;-1 234,5;
A3;2;2.2.2021 9:00;usage;-0,000001;
"""


def run(code: str, *arguments: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_ledgers_of_every_shape_are_read_without_pandas(tmp_path: Path) -> None:
    base = tmp_path / "base"
    write_mart(base, 3_000, clients=50)
    folders = []
    for number, shape in enumerate(shape for shape in SHAPES if "a day" not in shape.name):  # slow to write
        folders.append(tmp_path / f"{number:02} {shape.name.replace('/', ' ')}")
        write_shape(base, folders[-1], shape)
    run(OPEN_ALL, *folders)


def test_exports_in_another_format_are_read_without_pandas(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text(CLIENTS.replace("a;b", '"a;b"'), "utf-8")
    (tmp_path / "transactions.csv").write_text(TRANSACTIONS, "utf-8")
    run(OPEN_ALL.replace("3_000", "3"), tmp_path)


@pytest.mark.parametrize("offset", [0, 3, 11])
def test_arrays_are_the_same_in_arrow_and_numpy(offset: int) -> None:
    numbers = np.arange(40, dtype=np.int32)
    mask = numbers % 3 == 0
    assert from_numpy(numbers[offset:]).equals(pa.array(numbers[offset:]))
    assert from_numpy(numbers, mask).equals(pa.array(numbers, mask=~mask))
    assert from_numpy(numbers[::2]).equals(pa.array(numbers[::2]))
    assert from_bools(mask[offset:]).equals(pa.array(mask[offset:]))
    assert to_numpy(pa.array(numbers)[offset:]).tolist() == numbers[offset:].tolist()
    assert to_bools(pa.array(mask)[offset:]).tolist() == mask[offset:].tolist()
    assert to_numpy(pa.array(numbers)[:0]).dtype == np.int32
    with pytest.raises(AssertionError, match="to_bools"):
        to_numpy(pa.array(mask))


def test_texts_and_scalars_are_those_of_arrow() -> None:
    texts = ["", "é", None, "abc"]
    assert from_texts(texts).equals(pa.array(texts, pa.large_string()))
    assert from_texts([]).equals(pa.array([], pa.large_string()))
    for value, kind in (
        ("x", pa.string()),
        ("", pa.large_string()),
        (None, pa.decimal128(9, 2)),
        (7, pa.uint8()),
        (True, pa.bool_()),
        (2.5, pa.float32()),
    ):
        assert scalar(value, kind).equals(pa.scalar(value, kind))
