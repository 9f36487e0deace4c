"""A report for each reseller: its own clients alone, to its own addresses, from one look at the data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import RunError, SnapshotDamagedError
from custdyn_widgets.mart import opening as cache
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.saved_queries.automation import ForEach, Retention
from custdyn_widgets.scheduling import company_addresses
from custdyn_widgets.scheduling import for_each as each
from custdyn_widgets.scheduling.company_addresses import read_addresses
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.snapshots.store import Store
from tests.mail_server import Received, free_port
from tests.scheduling.test_job import (
    BOARD,
    EVA,
    FIRST,
    MART,
    NOW,
    frozen,
    keep,
    received,
    settings,
    text_of,
)

__all__ = ["received", "settings"]  # fixtures
EACH = replace(BOARD, recipients=(), for_each=ForEach("company", "addresses.csv"))
ACME, NORTH, BLUE = "Acme Telecom", "Acme North", "Blue Reseller"
ADDRESSES = f"""company,address
{ACME},anna@acme.example
{BLUE},ben@blue.example
{ACME},eve@acme.example
{NORTH},nora@north.example
"""


def run_each(settings: Settings, addresses: str = ADDRESSES, saved: Any = EACH, **order: Any) -> Run:
    keep(saved, settings)
    (settings.queries / "addresses.csv").write_text(addresses, encoding="utf-8")
    return dispatch(
        RunRequest("board", **{"again": True, **order}), settings=load_settings(), progress=print, now=NOW
    )


def test_each_company_gets_its_own_clients_at_its_own_addresses(
    settings: Settings, received: Received
) -> None:
    run = run_each(settings)
    assert (run.result, run.problem) == ("sent", None)
    assert [one.company for one in run.reports] == [ACME, BLUE, NORTH]
    store = Store(settings.snapshots)
    for one in run.reports:
        query = replace(EACH.query, company=(str(one.company),))
        own = to_csv(run_report(query, MART, as_of=FIRST))
        assert store.read(str(one.snapshot), "report.csv") == own
        to = [str(delivery["recipient"]) for delivery in one.deliveries]
        assert (
            to
            == {
                ACME: ["anna@acme.example", "eve@acme.example"],
                BLUE: ["ben@blue.example"],
                NORTH: ["nora@north.example"],
            }[str(one.company)]
        )
        for at, recipient in enumerate(received.recipients()):
            told = text_of(received, at)
            assert (str(one.snapshot) in told) == (recipient in to)
            assert (f"{BOARD.title} ({one.company})" in told) == (recipient in to)
    assert len({store.read(str(one.snapshot), "report.csv") for one in run.reports}) == 3


def test_each_company_gets_the_columns_groups_and_comparison_of_the_saved_query(
    settings: Settings, received: Received
) -> None:
    asked = replace(
        EACH.query, group_by=("month", "cohort"), columns=("payg", "movement"), compare="previous_month"
    )
    run = run_each(settings, f"company,address\n{BLUE},ben@blue.example\n", replace(EACH, query=asked))
    [one] = run.reports
    own = run_report(replace(asked, company=(BLUE,)), MART, as_of=FIRST)
    assert Store(settings.snapshots).read(str(one.snapshot), "report.csv") == to_csv(own)
    assert own.triangle is not None


def test_the_data_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = cache.open_mart
    monkeypatch.setattr(
        "custdyn_widgets.mart.open_mart", lambda source: opened.append(source) or real(source)
    )
    assert run_each(settings).result == "sent"
    assert opened == [str(MART)]


def test_a_mail_server_that_is_down_is_waited_for_once_and_not_for_each(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "0.2 0.2")
    run = run_each(settings)
    assert [one.result for one in run.reports] == ["undelivered"] * 3
    assert [receipt["tries"] for one in run.reports for receipt in one.deliveries] == [3] * 4
    assert [(receipt["outcome"], receipt["tries"]) for receipt in run.told] == [("given up", 1)]


def test_a_snapshot_that_cannot_be_read_again_keeps_nobody_elses_mail(
    settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Store.read

    def damaged(store: Store, snapshot_id: str, name: str) -> bytes:
        data = real(store, snapshot_id, name)
        if data == to_csv(run_report(replace(EACH.query, company=(BLUE,)), MART, as_of=FIRST)):
            raise SnapshotDamagedError(snapshot_id, name, "is cut off")
        return data

    monkeypatch.setattr(Store, "read", damaged)
    run = run_each(settings)
    assert [one.result for one in run.reports] == ["sent", "undelivered", "sent"]
    assert "ben@blue.example" not in received.told


def test_no_company_is_told_what_was_set_aside_of_others(
    settings: Settings, received: Received, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = tmp_path / "faulty"
    shutil.copytree(MART, faulty)
    clients = (MART / "transactions.csv").read_text(encoding="utf-8").splitlines()
    row = clients[1].split(",")
    row[clients[0].split(",").index("transaction_id")] = "another"
    row[clients[0].split(",").index("kind")] = "gift"
    row[clients[0].split(",").index("amount")] = "987654.32"
    with (faulty / "transactions.csv").open("a", encoding="utf-8") as file:
        file.write(",".join(row) + "\n")
    sources = tmp_path / "sources.toml"
    sources.write_text(f'[shop]\npath = "{faulty}"\non_fault = "quarantine"\n', encoding="utf-8")
    monkeypatch.setenv("CUSTDYN_SOURCES", str(sources))
    run = run_each(settings, saved=replace(EACH, source="shop"))
    assert run.result == "sent"
    for one in run.reports:
        store = Store(settings.snapshots)
        assert "left out" in store.read(str(one.snapshot), "report.html").decode()
        for name in store.manifest(str(one.snapshot))["files"]:
            assert b"987,654" not in store.read(str(one.snapshot), name), name
        assert "987,654" not in str(store.manifest(str(one.snapshot)))
    for at in range(len(received.mails)):
        assert "Faulty rows of the source are left out" in text_of(received, at)
        assert "987,654" not in text_of(received, at)


def test_a_company_that_the_data_does_not_have_is_told_and_the_others_get_theirs(
    settings: Settings, received: Received
) -> None:
    run = run_each(settings, ADDRESSES + "Acme Nroth,x@example.com\n")
    assert run.result == "failed"
    assert [one.result for one in run.reports] == ["sent", "sent", "sent", "failed"]
    assert "Acme Nroth: company: the data has no company 'Acme Nroth'." in str(run.problem)
    assert received.recipients()[-1] == EVA
    assert "sends the report to all recipients, including those who already have it" in text_of(received, -1)
    assert "x@example.com" not in received.told
    assert len(frozen(settings)) == 3


def test_where_only_changes_are_sent_nobody_is_warned_of_sending_twice_what_the_others_have(
    settings: Settings, received: Received
) -> None:
    saved = replace(EACH, only_if=("changed",))
    assert run_each(settings, ADDRESSES + "Acme Nroth,x@example.com\n", saved).result == "failed"
    assert "goes to everybody" not in text_of(received, -1)
    sent = len(received.mails)
    run_each(settings, saved=saved)
    assert len(received.mails) == sent


def test_a_companys_problem_holds_no_secret_in_the_record(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_PASSWORD", "hunter2-hunter2")
    run = run_each(settings, ADDRESSES + "hunter2-hunter2,x@example.com\n")
    assert run.reports[-1].problem
    assert "hunter2" not in str([one.problem for one in run.reports]) + str(run.problem)


def test_a_faulty_line_refuses_the_whole_run_with_its_number(settings: Settings, received: Received) -> None:
    run = run_each(settings, ADDRESSES + f"{BLUE},Ben <ben@blue.example>\n")
    assert run.result == "failed"
    assert "line 6: 'Ben <ben@blue.example>' is not a plain email address" in str(run.problem)
    assert received.recipients() == [EVA]
    assert frozen(settings) == []


def test_each_companys_report_is_compared_with_its_own_last_one(settings: Settings) -> None:
    saved = replace(EACH, only_if=("changed",))
    run_each(settings, saved=saved)
    second = run_each(settings, f"{ADDRESSES}".replace(f"{NORTH},nora@north.example\n", ""), saved=saved)
    assert [one.result for one in second.reports] == ["unchanged", "unchanged"]


def test_retention_counts_for_each_company(settings: Settings) -> None:
    saved = replace(EACH, retention=Retention(keep_last=1))
    run_each(settings, saved=saved)
    last = run_each(settings, saved=saved)
    assert set(frozen(settings)) == {one.snapshot for one in last.reports}


def test_a_notebook_is_refused_because_none_is_run(settings: Settings) -> None:
    assert "leave out the template" in str(run_each(settings, template=Path("mine.ipynb")).problem)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("company;address\n", "first line of a.csv must be: company,address"),
        ("root:x:0:0\n", "first line of a.csv must be"),
        ("", "first line of a.csv must be"),
        ("company,address\n", "lists no companies"),
        ("company,address\nBlue\n", "line 2: expected a company and an address, found 1 value"),
        ("company,address\nBlue,b@x.example,c@x.example\n", "line 2: .*, found 3 values"),
        ("company,address\n\nBlue,b@x.example\n ,c@x.example\n", "line 4: the company is empty"),
        ("company,address\nBlue,b@x.example\nBlue,b@X.example\n", "line 3: 'b@X.example' is listed twice"),
        ('company,address\nBlue,"b@x.example\n', "not a valid CSV"),
        ("company,address\nBlue,b@x.example\\nBcc: c@x.example\n", "line 2: .*not a plain email address"),
    ],
)
def test_what_is_no_file_of_addresses_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=words):
        read_addresses(path)


@pytest.mark.parametrize(("count", "last"), [(1, "line 2"), (20, "line 21"), (21, "… and 1 more")])
def test_twenty_faulty_lines_are_all_listed(tmp_path: Path, count: int, last: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("company,address\n" + "Blue\n" * count)
    with pytest.raises(RunError, match=f"has {count} faulty line{'s' if count > 1 else ''}, so") as caught:
        read_addresses(path)
    lines = caught.value.message.splitlines()
    assert lines[-1].strip().startswith(last)
    assert len(lines) == min(count, 21) + 1


def test_a_company_has_at_most_a_hundred_addresses(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    addresses = [f"a{n}@x.example" for n in range(101)]
    lines = [f"Blue,{address}" for address in addresses]
    path.write_text("\n".join(["company,address", *lines[:100], f"Red,{addresses[0]}"]))
    assert read_addresses(path) == {"Blue": tuple(addresses[:100]), "Red": (addresses[0],)}
    path.write_text("\n".join(["company,address", *lines]))
    with pytest.raises(RunError, match="line 102: 'Blue' has more than 100 addresses: use a mailing list"):
        read_addresses(path)


def test_a_file_that_is_too_large_is_refused_and_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("company,address\nBlue,b@x.example\n")
    monkeypatch.setattr(company_addresses, "_MAX_BYTES", path.stat().st_size)
    assert read_addresses(path) == {"Blue": ("b@x.example",)}
    with path.open("a") as file:
        file.write("\n")
    with pytest.raises(RunError, match=r"a\.csv is too large for an address file: the limit is 33 bytes"):
        read_addresses(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.csv"
    path.touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RunError, match=r"The address file a\.csv cannot be read: Permission denied\."):
        read_addresses(path)


def test_a_file_of_something_else_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("secret-of-somebody\n")
    with pytest.raises(RunError) as caught:
        read_addresses(path)
    assert "secret" not in caught.value.message


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none\.csv.*does not exist"):
        read_addresses(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"company,address\nCaf\xe9,a@x.example\n")
    with pytest.raises(RunError, match="not encoded in UTF-8"):
        read_addresses(tmp_path / "latin.csv")


@pytest.mark.parametrize(
    "domain",
    [
        "fa\xdf.example",
        "\ufb01sh.example",
        "b\u03bb\u03c2.example",
        "ex\xadample.com",
        "\uff45x.example",
        "x\u3002example",
    ],
)
def test_a_domain_that_would_be_taken_for_another_is_refused(tmp_path: Path, domain: str) -> None:
    """Old rules, which are Python's, write fass.example for it: another's."""
    path = tmp_path / "a.csv"
    path.write_text(f"company,address\nBlue,ben@{domain}\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"line 2: .* is not a plain email address"):
        read_addresses(path)


@pytest.mark.parametrize(
    "domain", ["B\xdcCHER.example", "bu\u0308cher.example", "xn--bcher-kva.b\xfc.example"]
)
def test_a_domain_that_means_one_thing_is_taken_however_it_is_written(tmp_path: Path, domain: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"company,address\nBlue,ben@{domain}\n", encoding="utf-8")
    assert read_addresses(path) == {"Blue": (f"ben@{domain}",)}


def test_one_company_may_have_the_address_of_another_and_names_may_hold_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfcompany,address\r\n"Blue, Inc.",b@x.example\r\nRed,b@x.example\r\n')
    assert read_addresses(path) == {"Blue, Inc.": ("b@x.example",), "Red": ("b@x.example",)}


def test_what_was_frozen_before_a_run_was_told_to_end_is_in_its_record(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = each.freeze_unless_excluded, []

    def freeze_twice(*given: Any) -> Any:
        if len(seen) == 2:
            raise SystemExit(143)
        seen.append(real(*given))
        return seen[-1]

    monkeypatch.setattr(each, "freeze_unless_excluded", freeze_twice)
    with pytest.raises(SystemExit):
        run_each(settings)
    [run] = Runs(settings.runs or Path()).listing()
    assert [one.snapshot for one in run.reports] == [one.outcome.snapshot for one in seen]
    assert run.result == "undelivered"
