"""`custdyn snapshots diff`: after a re-rating it names the cells and the sums, in every format."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.snapshot_difference import compare_snapshots
from custdyn_widgets.errors import QueryError, SnapshotError, SourceError
from custdyn_widgets.mart.demo.mart import write_demo
from custdyn_widgets.publish.freezing import freeze
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.settings import load
from custdyn_widgets.snapshots import Store, id_in

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
RESELLER = "Iberavoz"
QUERY = ReportQuery(interval="last_month", group_by=("month", "company"), client_type="all", currency="USD")
UNKNOWN = "The clients that changed cannot be determined"


@dataclass(frozen=True)
class Rerated:
    """The demo and its copy after a re-rating, by how much usage rose, how many rows and whose."""

    before: Path
    after: Path
    rise: Decimal
    count: int
    clients: frozenset[str]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rerate(folder: Path) -> tuple[Decimal, int, frozenset[str]]:
    """Raise every 20th usage of October of one reseller's clients in dollars by a tenth of a dollar."""
    clients = read(folder / "clients.csv")
    own = {c["client_id"] for c in clients if c["company"] == RESELLER and c["currency"] == "USD"}
    path = folder / "transactions.csv"
    rows = read(path)
    usage = [
        row
        for row in rows
        if row["kind"] == "usage" and row["at"].startswith("2026-10") and row["client_id"] in own
    ]
    for row in usage[::20]:
        row["amount"] = str(Decimal(row["amount"]) - Decimal("0.10"))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    count = len(usage[::20])
    return Decimal("0.10") * count, count, frozenset(row["client_id"] for row in usage[::20])


@pytest.fixture(scope="module")
def rerated(tmp_path_factory: pytest.TempPathFactory) -> Rerated:
    folder = tmp_path_factory.mktemp("rerated")
    write_demo(folder / "before", AS_OF)
    shutil.copytree(folder / "before", folder / "after")
    return Rerated(folder / "before", folder / "after", *rerate(folder / "after"))


@pytest.fixture
def frozen() -> Callable[..., str]:
    """Freeze a report, and return its id."""

    def freeze_it(source: Path, query: ReportQuery = QUERY) -> str:
        snapshot_id = freeze(run_report(query, source, as_of=AS_OF)).id
        assert snapshot_id is not None
        return snapshot_id

    return freeze_it


def diff(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, ["snapshots", "diff", *map(str, args)])
    assert "Traceback" not in result.output
    return result


def test_a_rerating_is_named_by_cells_and_sums(rerated: Rerated, frozen: Callable[..., str]) -> None:
    assert rerated.count > 3
    old = frozen(rerated.before)
    result = diff(old, "--source", rerated.after, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    cells = {(*cell["row"], cell["column"]): cell for cell in found["cells"]}
    assert {labels[:2] for labels in cells} == {("2026-10", RESELLER), ("Total", "")}
    for row in (("2026-10", RESELLER), ("Total", "")):
        usage, balance = (cells[*row, name] for name in ("Pay As You Go: Total", "Clients - All: Balance"))
        assert Decimal(usage["change"]) == rerated.rise
        assert Decimal(usage["new"]) - Decimal(usage["old"]) == rerated.rise
        assert Decimal(balance["change"]) == -rerated.rise
    assert {name for *_, name in cells}.isdisjoint({"Clients - Active: Qty", "Balance Refill: Total"})
    assert found["old"]["clients"] == found["new"]["clients"]
    assert found["reasons"][-1]["kind"] == "data"
    assert UNKNOWN not in result.stderr
    count = len(rerated.clients)
    assert f"The contributions of {count} clients changed." in result.stderr
    assert (found["clients"]["count"], found["clients"]["lines"]) == (count, [])  # nobody asked for names


def test_a_rerating_is_named_by_exactly_the_clients(rerated: Rerated, frozen: Callable[..., str]) -> None:
    old = frozen(rerated.before)
    ran = diff(old, "--source", rerated.after, "--clients", "--format", "csv")
    heading, *lines = csv.reader(io.StringIO(ran.stdout, newline=""))
    assert heading == ["Month", "Company", "Client Id", "Name", "Company", "Owner User"]
    assert {(month, company) for month, company, *_ in lines} == {("2026-10", RESELLER)}
    assert [line[2] for line in lines] == sorted(rerated.clients)
    assert 2 < len(rerated.clients) < 50
    names = {c["client_id"]: c["name"] for c in read(rerated.before / "clients.csv")}
    assert {line[3] for line in lines} == {names[own] for own in rerated.clients}
    told = json.loads(diff(old, "--source", rerated.after, "--clients", "--json").stdout)["clients"]
    assert [line["client_id"] for line in told["lines"]] == sorted(rerated.clients)


def test_the_clients_between_two_snapshots_are_named_with_the_data_at_hand(
    rerated: Rerated, frozen: Callable[..., str]
) -> None:
    old, new = frozen(rerated.before), frozen(rerated.after)
    assert "specify the data with --source" in diff(old, new).stderr
    for source in (rerated.before, rerated.after):
        ran = diff(old, new, "--source", source, "--clients")
        assert [line.split()[2] for line in ran.stdout.splitlines()[1:]] == sorted(rerated.clients)


def test_without_evidence_it_says_what_is_not_known(
    rerated: Rerated, frozen: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_EVIDENCE", "off")
    old = frozen(rerated.before)
    assert not [*load().snapshots.rglob("evidence*")]
    ran = diff(old, "--source", rerated.after, "--clients")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert f"{UNKNOWN}: the old snapshot has no evidence (it is from an earlier version" in ran.stderr
    assert "Pay As You Go: Total" in diff(old, "--source", rerated.after).stdout


def test_two_snapshots_are_compared_in_every_format(rerated: Rerated, frozen: Callable[..., str]) -> None:
    old, new = frozen(rerated.before), frozen(rerated.after)
    table = diff(old, f"http://127.0.0.1:8899/view?id={new}")
    heading, *lines = table.stdout.splitlines()
    assert heading.split() == ["Month", "Company", "Column", "Old", "New", "Change"]
    [usage] = [line for line in lines if f"  {RESELLER}  Pay As You Go: Total" in line]
    assert usage.endswith(f" {rerated.rise:.2f}")
    assert "so the clients or transactions themselves differ." in table.stderr
    cells = list(csv.reader(io.StringIO(diff(old, new, "--format", "csv").stdout, newline="")))
    assert cells[0] == ["Month", "Company", "Column", "Old", "New", "Change"]
    assert len(cells) == len(lines) + 1
    assert ["2026-10", RESELLER, "Pay As You Go: Total"] in [row[:3] for row in cells]
    back = json.loads(diff(new, old, "--format", "json").stdout)
    assert {Decimal(c["change"]) for c in back["cells"] if c["column"] == "Pay As You Go: Total"} == {
        -rerated.rise
    }


def test_nothing_differs(rerated: Rerated, frozen: Callable[..., str]) -> None:
    old = frozen(rerated.before)
    result = diff(old, "--source", rerated.before)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-2:] == ["No cell differs.", "No client's contribution changed."]
    assert json.loads(diff(old, old, "--json").stdout)["cells"] == []


def test_the_source_of_the_snapshot_is_taken_only_from_sources_toml(
    rerated: Rerated, frozen: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = frozen(rerated.before)
    shutil.copytree(rerated.after, "before")  # another folder of the same name
    result = diff(old)
    assert result.exit_code == 1
    assert "source 'before' is not in sources.toml" in result.stderr
    assert "--source" in result.stderr
    sources = tmp_path / "sources.toml"
    sources.write_text(f'[before]\npath = "{rerated.after}"\n')
    monkeypatch.setenv("CUSTDYN_SOURCES", str(sources))
    assert "Pay As You Go: Total" in diff(old).stdout


def test_other_queries_and_bad_arguments_are_refused(rerated: Rerated, frozen: Callable[..., str]) -> None:
    old = frozen(rerated.before)
    yearly = frozen(rerated.before, ReportQuery(interval="last_month", group_by=("year",)))
    other = diff(old, yearly)
    assert other.exit_code == 2
    assert "Only reports of the same query can be compared: client_type is 'all'" in other.stderr
    assert "is incomplete" in diff(old[:9], "--source", rerated.before).stderr
    CliRunner().invoke(cli.main, ["snapshots", "revoke", yearly])
    assert "There is no snapshot" in diff(old, yearly).stderr


def test_snapshots_are_compared_in_python(rerated: Rerated, frozen: Callable[..., str]) -> None:
    import custdyn_widgets

    old, new = frozen(rerated.before), frozen(rerated.after)
    difference = custdyn_widgets.compare_snapshots(old, source=rerated.after)
    assert difference.cells == compare_snapshots(old, new).cells
    assert difference.cells
    found = compare_snapshots(old, new, source=rerated.after).clients
    assert found == difference.clients
    assert found is not None
    assert list(found.to_pandas()["Client Id"]) == sorted(rerated.clients)
    with pytest.raises(SourceError):
        compare_snapshots(old)
    with pytest.raises(SnapshotError):
        compare_snapshots(old, "none")
    with pytest.raises(QueryError, match="group_by"):
        compare_snapshots(
            old, frozen(rerated.after, ReportQuery.from_dict({**QUERY.to_dict(), "group_by": []}))
        )


def test_a_difference_is_frozen_as_a_page_with_its_own_link(
    rerated: Rerated, frozen: Callable[..., str]
) -> None:
    old = frozen(rerated.before)
    result = diff(old, "--source", rerated.after, "--freeze")
    assert result.exit_code == 0, result.stderr
    link = result.stderr.splitlines()[-1].removeprefix("Link: ")
    own = id_in(link)
    store = Store(load().snapshots)
    assert store.verify() == []
    page = store.read(own, "report.html").decode()
    assert RESELLER in page
    assert old not in page + store.read(own, "report.json").decode()  # the id opens the whole old report
    assert store.manifest(own)["compared"] == [old]
    names = [c["name"] for c in read(rerated.after / "clients.csv") if c["client_id"] in rerated.clients]
    everything = b"".join(store.read(own, name) for name in store.manifest(own)["files"])
    assert not any(text.encode() in everything for text in (*names, *rerated.clients))
    assert f"The contributions of {len(rerated.clients)} clients changed." in page
    cells = json.loads(store.read(own, "report.json"))["cells"]
    assert len(list(csv.reader(io.StringIO(store.read(own, "report.csv").decode())))) == len(cells) + 1
    listed = CliRunner().invoke(cli.main, ["snapshots", "list"]).stdout
    assert "What changed: " in listed
    refused = diff(own, old)
    assert refused.exit_code == 1
    assert "is a frozen comparison, not a report" in refused.stderr


def test_hostile_names_are_shown_without_effect(
    rerated: Rerated, frozen: Callable[..., str], tmp_path: Path
) -> None:
    folders = []
    for name, amount in (("old", "-1.00"), ("new", "-2.00")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "clients.csv").write_text(
            "client_id,name,client_type,company,currency,created_at\n"
            "C1,Ann,client,=1+1\x1b[2J,USD,2026-01-01T00:00:00Z\n"
        )
        (folder / "transactions.csv").write_text(
            f"transaction_id,client_id,at,kind,amount\nT1,C1,2026-10-05T00:00:00Z,usage,{amount}\n"
        )
        folders.append(folder)
    old = frozen(folders[0])
    table = diff(old, "--source", folders[1]).stdout
    assert "=1+1" in table
    assert "\x1b" not in table
    assert ",'=1+1" in diff(old, "--source", folders[1], "--format", "csv").stdout
