"""A large ledger is read with bounded memory; a killed sync leaves nothing behind; a disk that fills up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from custdyn_widgets.mart.synced import marts_folder, read_record, synced_folder
from custdyn_widgets.mart.syncing.sync import sync_source
from tests.databases import Database
from tests.synced import balance, create, define, map_with

pytestmark = pytest.mark.usefixtures("own_marts")
ROWS = 1_000_000
SERIES = {
    "postgresql": "(SELECT n, 'call:' || n AS id FROM generate_series(1, {rows}) n) s",
    "mysql": "(SELECT seq AS n, CONCAT('call:', seq) AS id FROM seq_1_to_{rows}) s",
}
MEASURED = r"""
import re
from pathlib import Path
from custdyn_widgets.mart.syncing.sync import sync_source

def peak():  # not ru_maxrss, which has that of the parent, too
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
rows = sync_source("shop").record.rows["transactions"]
print(rows, before, peak())
"""
ON_A_SMALL_DISK = """
custdyn() { "$python" -m custdyn_widgets "$@"; }
python=$0
mount -t tmpfs -o size=2m none marts
cp small.toml sources.toml; custdyn sync shop
cp large.toml sources.toml; custdyn sync shop; echo "exit $?"
ls -A marts
custdyn query -s shop --interval 2021-01-01/2021-12-31 --format csv
"""
MEBI = 1024  # the peak is in KiB


def many(database: Database, rows: int) -> None:
    """Define the source `shop` with a mapping that makes a ledger of many rows."""
    create(database)
    select = (
        "SELECT id AS transaction_id, 'a' AS client_id, '2021-02-01T00:00:00Z' AS at, 'usage' AS kind, "
        f"-n / 64.0 AS amount FROM {SERIES[database.kind].format(rows=rows)}"
    )
    map_with("shop", database.url, transactions=select)


@pytest.mark.slow
def test_a_million_rows_need_little_memory(database: Database) -> None:
    many(database, ROWS)
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, before, after = map(int, done.stdout.split())
    assert rows == ROWS
    assert after - before < 300 * MEBI  # all rows as Python objects would need 600 MiB and more


def test_a_killed_sync_is_not_used_and_its_remains_are_removed(database: Database) -> None:
    create(database)
    define("shop", database.url)
    sync_source("shop")
    before = balance()
    many_of = SERIES[database.kind].format(rows=10_000_000)
    map_with(
        "shop",
        database.url,
        transactions="SELECT id AS transaction_id, 'a' AS client_id, '2021-02-01' AS at, 'usage' AS kind, "
        f"-1 AS amount FROM {many_of}",
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "custdyn_widgets", "sync", "shop"], stderr=subprocess.DEVNULL
    )
    while len(list(marts_folder().glob(".shop@*/transactions.parquet"))) < 2:  # the old one and the new one
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(list(marts_folder().glob(".shop@*"))) == 2
    define("shop", database.url)
    assert balance() == before
    sync_source("shop")
    assert balance() == before
    assert len(list(marts_folder().glob(".shop@*"))) == 1


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_the_old_mart(database: Database) -> None:
    create(database)
    define("shop", database.url)
    Path("sources.toml").rename("small.toml")
    select = (
        "SELECT md5(id) AS transaction_id, 'a' AS client_id, '2021-02-01T00:00:00Z' AS at, 'usage' AS kind, "
        f"1 AS amount FROM {SERIES[database.kind].format(rows=400_000)}"
    )
    map_with("shop", database.url, transactions=select)
    Path("sources.toml").rename("large.toml")
    Path("marts").mkdir()
    command = ["unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK, sys.executable]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "exit 1\n" in done.stdout, done.stderr
    assert "cannot be written" in done.stderr
    assert "No space left on device" in done.stderr
    assert done.stdout.count(".shop@") == 1
    assert "2021-12,0,0.00" in done.stdout
    assert read_record(synced_folder("shop")) is None  # the disk was only the child's
