"""The life of a snapshot: revoked, given an end, pruned; and what a reader sees meanwhile."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError, SnapshotNotFoundError
from custdyn_widgets.files import writing
from custdyn_widgets.snapshots import listing, visibility
from custdyn_widgets.snapshots.life import expire, id_in, revoke
from custdyn_widgets.snapshots.listing import describe_state
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.visibility import State, changing_states, read_state
from tests.snapshots.test_store import (
    FILES,
    MANIFEST,
    failing,
    flip_manifest,
    noted_disk_calls,
    set_state,
    snapshot_folder,
)

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store")


def before_opening(
    monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], object], times: int = 1
) -> None:
    """Let something happen just before a file of this name is opened, so many times."""
    left = iter(range(times))
    really = os.open

    def opened(path: str | Path, *args: object, **kwargs: object) -> int:
        if path == name and next(left, None) is not None:
            happens()
        return really(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opened)


def state_file(store: Store, snapshot_id: str) -> Path:
    return store.folder / "state" / snapshot_id[:2] / f"{snapshot_id}.json"


def is_seen(store: Store, snapshot_id: str) -> bool:
    try:
        return store.read(snapshot_id, "report.html") == FILES["report.html"]
    except SnapshotNotFoundError:
        return False


# --- revoking


def test_a_revoked_snapshot_shows_nothing_from_the_next_request_on(store: Store) -> None:
    snapshot_id, other = store.publish(MANIFEST, FILES), store.publish(MANIFEST, FILES)
    viewer = Store(store.folder)
    assert is_seen(viewer, snapshot_id)
    assert revoke(store, snapshot_id) == State()
    assert not is_seen(viewer, snapshot_id)
    assert is_seen(viewer, other)
    assert store.verify() == []


def test_revoking_again_keeps_the_first_moment_and_the_end(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, '{"expires":"2026-02-02T00:00:00Z","revoked":"2026-01-01T00:00:00Z"}')
    before = revoke(store, snapshot_id)
    assert before == State(revoked=PAST, expires=datetime(2026, 2, 2, tzinfo=UTC))
    assert read_state(store.folder, snapshot_id) == before


def test_a_backup_laid_over_the_store_revives_no_revoked_link(store: Store, tmp_path: Path) -> None:
    """As `tar x` and `rsync -a` do it: older files replace newer ones, and nothing is deleted."""
    ids = [store.publish(MANIFEST, FILES) for _ in range(3)]
    expire(store, ids[0], SOON)
    revoke(store, ids[1])
    shutil.copytree(store.folder, tmp_path / "backup")
    for snapshot_id in ids:
        revoke(store, snapshot_id)
    shutil.copytree(tmp_path / "backup", store.folder, dirs_exist_ok=True)
    assert [is_seen(store, snapshot_id) for snapshot_id in ids] == [False] * 3
    assert [entry.state for entry in listing.entries(store)] == ["revoked"] * 3
    assert expire(store, ids[0], None).word == "revoked"
    assert not is_seen(store, ids[0])


@pytest.mark.parametrize("content", [b"", b"yes", b"\xff", b"2026-13-01T00:00:00Z", b"x" * 5000])
def test_a_revocation_that_cannot_be_read_hides_the_snapshot_and_is_a_problem(
    store: Store, content: bytes
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    revoke(store, snapshot_id)
    (store.folder / "revoked" / snapshot_id).write_bytes(content)
    state_file(store, snapshot_id).unlink()
    with pytest.raises(SnapshotDamagedError):
        store.read(snapshot_id, "report.html")
    assert [problem.file for problem in store.verify()] == ["its state"]
    assert revoke(store, snapshot_id) is None
    assert store.verify() == []
    assert not is_seen(store, snapshot_id)


def test_a_snapshot_that_an_earlier_version_revoked_stays_revoked(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, '{"expires":null,"revoked":"2026-01-01T00:00:00Z"}')
    assert not (store.folder / "revoked").exists()
    assert read_state(store.folder, snapshot_id).revoked == PAST


@pytest.mark.parametrize("name", ["mkdir", "open", "fsync", "rename"])
def test_a_revocation_that_fails_is_an_error_and_one_that_does_not_is_kept_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    outcomes = []
    for at in range(1, 40):
        snapshot_id = store.publish(MANIFEST, FILES)
        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), errno.ENOSPC, at))
            try:
                revoke(store, snapshot_id)
                outcomes.append("done")
            except SnapshotError:
                outcomes.append("failed")
        if outcomes[-1] == "done":
            assert not is_seen(store, snapshot_id)
            assert state_file(store, snapshot_id).exists()
            assert (store.folder / "revoked" / snapshot_id).exists()
        assert list((store.folder / "tmp").iterdir()) == []
    assert (outcomes[0], outcomes[-1]) == ("failed", "done")


def test_revoking_what_has_a_damaged_state_mends_it_and_hides_the_snapshot(
    store: Store, tmp_path: Path
) -> None:
    snapshot_id, linked = store.publish(MANIFEST, FILES), store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, '{"expi')
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    state_file(store, linked).parent.mkdir(parents=True, exist_ok=True)
    state_file(store, linked).symlink_to(elsewhere)
    for hurt in (snapshot_id, linked):
        assert revoke(store, hurt) is None
        assert read_state(store.folder, hurt).word == "revoked"
        assert not is_seen(store, hurt)
    assert elsewhere.read_text() == "{}"
    assert store.verify() == []


def test_revoking_where_no_state_can_be_put_is_an_error_and_the_snapshot_is_still_not_shown(
    store: Store,
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    state_file(store, snapshot_id).mkdir(parents=True)
    with pytest.raises(SnapshotError, match="may not have been saved: Is a directory") as caught:
        revoke(store, snapshot_id)
    assert f": Is a directory ({state_file(store, snapshot_id)}). Fix that and run" in caught.value.message
    with pytest.raises(SnapshotDamagedError):
        store.read(snapshot_id, "report.html")
    assert list((store.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("absent", ["a" * 52, "../" * 17 + "a", ""])
def test_what_is_not_there_cannot_be_revoked_or_given_an_end(store: Store, absent: str) -> None:
    store.publish(MANIFEST, FILES)
    for change in (lambda: revoke(store, absent), lambda: expire(store, absent, SOON)):
        with pytest.raises(SnapshotNotFoundError):
            change()
    assert not (store.folder / "state").exists()


def test_a_snapshot_whose_manifest_is_damaged_can_be_revoked(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    flip_manifest(snapshot_folder(store, snapshot_id))
    revoke(store, snapshot_id)
    assert not is_seen(store, snapshot_id)


# --- an end


def test_a_snapshot_can_be_seen_until_its_end_which_can_be_moved_and_taken_back(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    seen = []
    for at in (SOON, PAST, SOON, PAST, None):
        assert expire(store, snapshot_id, at) == State(expires=at)
        assert read_state(store.folder, snapshot_id) == State(expires=at)
        seen.append(is_seen(store, snapshot_id))
    assert seen == [True, False, True, False, True]


def test_an_end_brings_no_revoked_snapshot_back(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    revoke(store, snapshot_id)
    for at in (SOON, None):
        assert expire(store, snapshot_id, at).revoked
        assert not is_seen(store, snapshot_id)


def test_an_end_in_another_zone_is_kept_as_the_same_instant_in_utc(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    expire(store, snapshot_id, datetime.fromisoformat("2999-01-01T00:30:00.5+05:30"))
    assert state_file(store, snapshot_id).read_text() == '{"expires":"2998-12-31T19:00:00Z","revoked":null}'


@pytest.mark.parametrize("text", ["", '{"revoked":', '{"expires":null,"hidden":"2026-01-01T00:00:00Z"}'])
def test_a_damaged_state_is_not_overwritten_by_an_end(store: Store, text: str) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, text)
    with pytest.raises(
        SnapshotError, match=r"The state of .* so it was not changed and the snapshot is not shown"
    ):
        expire(store, snapshot_id, None)
    assert state_file(store, snapshot_id).read_text() == text


# --- on the disk


CHANGER = """
import sys
from datetime import UTC, datetime
from custdyn_widgets.snapshots.life import expire, revoke
from custdyn_widgets.snapshots.store import Store
store, what = Store(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
end = datetime(2999, 1, 1, tzinfo=UTC)
for snapshot_id in sys.argv[3:]:
    expire(store, snapshot_id, end) if what == "expire" else revoke(store, snapshot_id)
"""


def changer(store: Store, what: str, *ids: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHANGER, str(store.folder), what, *ids]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_two_processes_that_revoke_and_give_ends_at_once_lose_nothing(store: Store) -> None:
    ids = [store.publish(MANIFEST, FILES) for _ in range(40)]
    children = [changer(store, what, *ids) for what in ("revoke", "expire", "expire")]
    for child in children:
        child.stdin.write("go\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
    assert [child.communicate()[0] for child in children] == [""] * 3
    assert [child.returncode for child in children] == [0] * 3
    states = [read_state(store.folder, snapshot_id) for snapshot_id in ids]
    assert all(state.revoked and state.expires for state in states)


def test_a_kill_in_the_middle_leaves_one_state_or_the_other_and_the_lock_free(store: Store) -> None:
    draw = random.Random(1)
    snapshot_id = store.publish(MANIFEST, FILES)
    for _ in range(8):
        child = changer(store, "expire", *([snapshot_id] * 1000))
        child.stdin.write("go\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
        time.sleep(draw.random() * 0.02)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert read_state(store.folder, snapshot_id).expires in (None, datetime(2999, 1, 1, tzinfo=UTC))
        expire(store, snapshot_id, None)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("name", ["mkdir", "open", "fsync", "rename"])
def test_a_failing_call_is_an_error_in_words_and_leaves_a_whole_state(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    outcomes, messages = [], []
    for at in range(1, 30):
        snapshot_id = store.publish(MANIFEST, FILES)
        set_state(store, snapshot_id, '{"expires":"2026-01-01T00:00:00Z","revoked":null}')
        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), number, at))
            try:
                expire(store, snapshot_id, SOON)
                outcomes.append("done")
            except SnapshotError as error:
                outcomes.append("failed")
                messages.append((str(error), snapshot_id))
        state = read_state(store.folder, snapshot_id)
        assert state.expires == SOON if outcomes[-1] == "done" else state.expires in (PAST, SOON)
        assert list((store.folder / "tmp").iterdir()) == []
    assert outcomes[0] == "failed"
    assert outcomes[-1] == "done"
    assert all(os.strerror(number) in message and told in message for message, told in messages)


def test_a_state_is_on_the_disk_before_it_is_seen_and_its_name_before_it_is_said(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    revoke(store, snapshot_id)
    calls = noted_disk_calls(monkeypatch)
    revoke(store, snapshot_id)  # a second time: it is written all the same, as the first may not have lasted
    assert calls == ["file", "rename", "folder"] * 3  # the revocation, the state, the act


def test_who_holds_the_states_for_long_makes_others_give_up_with_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    monkeypatch.setattr(writing, "_LOCK_PAUSE_S", 0)
    with changing_states(store.folder), pytest.raises(SnapshotError, match="for ten seconds"):
        revoke(store, snapshot_id)
    revoke(store, snapshot_id)


def test_no_link_below_the_store_is_followed_to_write_a_state(store: Store, tmp_path: Path) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for link in (store.folder / "state", state_file(store, snapshot_id).parent):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(elsewhere)
        with pytest.raises(SnapshotError, match="may not have been saved") as caught:
            revoke(store, snapshot_id)
        assert f" ({link}). Fix that" in caught.value.message
        assert list(elsewhere.iterdir()) == []
        if link.name == "state":
            link.unlink()
    with pytest.raises(SnapshotDamagedError):
        store.read(snapshot_id, "report.html")


def test_a_state_gets_what_the_umask_leaves_and_no_exec_bit(store: Store) -> None:
    before = os.umask(0o027)
    try:
        snapshot_id = store.publish(MANIFEST, FILES)
        revoke(store, snapshot_id)
    finally:
        os.umask(before)
    assert stat.S_IMODE(state_file(store, snapshot_id).stat().st_mode) == 0o640


# --- what its keeper sees


def test_a_hidden_snapshot_is_listed_with_all_that_it_was(store: Store) -> None:
    ids = [store.publish({**MANIFEST, "role": f"role {n}"}, FILES) for n in range(5)]
    plain, ending, over, gone, hurt = ids
    expire(store, ending, SOON)
    expire(store, over, PAST)
    revoke(store, gone)
    set_state(store, hurt, "{")
    found = {entry.id: entry for entry in listing.entries(store)}
    line = listing.Entry(plain, str(MANIFEST["generated_at"]), str(MANIFEST["query_words"]), "role 0", 662)
    revoked = read_state(store.folder, gone).revoked
    assert revoked
    assert found == {
        plain: line,
        ending: replace(line, id=ending, role="role 1", expires=f"{SOON:%Y-%m-%dT%H:%M:%SZ}"),
        over: replace(line, id=over, role="role 2", state="expired", expires="2026-01-01T00:00:00Z"),
        gone: replace(line, id=gone, role="role 3", state="revoked", revoked=f"{revoked:%Y-%m-%dT%H:%M:%SZ}"),
        hurt: replace(line, id=hurt, role="role 4", state="damaged"),
    }
    text = listing.entries_text(listing.entries(store))
    assert f"until {SOON:%Y-%m-%d}  {ending}" in text
    assert {line.split()[6] for line in text.splitlines()[3:]} == {over, gone, hurt}


def test_a_damaged_manifest_is_listed_with_the_state_and_nothing_else(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    expire(store, snapshot_id, PAST)
    flip_manifest(snapshot_folder(store, snapshot_id))
    line = listing.Entry(snapshot_id, "", "", "", 0, "damaged", expires="2026-01-01T00:00:00Z")
    assert listing.entries(store) == [line]


def test_a_keeper_reads_the_manifest_of_a_hidden_snapshot_and_nobody_else_does(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    manifest = store.manifest(snapshot_id)
    revoke(store, snapshot_id)
    assert store.kept_manifest(snapshot_id) == manifest
    with pytest.raises(SnapshotNotFoundError):
        store.manifest(snapshot_id)
    with pytest.raises(SnapshotNotFoundError):
        store.kept_manifest("../" * 17 + "a")


# --- the ids that people give

ID = "a2" * 25 + "7q"


@pytest.mark.parametrize(
    "text",
    [
        ID, f"  {ID}\n", f"http://127.0.0.1:8899/view?id={ID}", f"https://x.example/lab/view?format=csv&id={ID}&token=1",
        f"<https://x.example/view?id={ID}>", f"/view?id={ID}#top", f'"{ID}"', f"view?id={ID}",
        f"/reports/lab/view?id={ID}",
    ],
)  # fmt: skip
def test_an_id_is_given_whole_or_in_a_whole_link(text: str) -> None:
    assert id_in(text) == ID


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ID[:8], "is incomplete: it has 8 of the 52 characters"),
        (f"http://x/view?id={ID[:-1]}", "is incomplete: it has 51 of"),
        (ID + "a", "contains no snapshot id"),
        ("", "contains no snapshot id"),
        (ID.upper(), "ids are in lowercase"),
        (f"http://x/other?id={ID}", "links end in /view"),
        (f"http://x/view?id={ID}&id={ID}", "contains no snapshot id"),
        ("http://x/view?", "contains no snapshot id"),
        (f"http://[x/view?id={ID}", "contains no snapshot id"),
        ("report.html", "contains no snapshot id"),
        (f"v1/a2/{ID}", "contains no snapshot id"),
        ("0" * 52, "contains no snapshot id"),
        (f"http://x/view/other?id={ID}", "links end in /view"),
        (f"http://x/preview?id={ID}", "links end in /view"),
    ],
)
def test_what_is_no_whole_id_is_told_kindly(text: str, why: str) -> None:
    with pytest.raises(SnapshotError, match=why) as caught:
        id_in(text)
    assert "snapshots list" in str(caught.value)


# --- what a reader sees meanwhile


@pytest.mark.parametrize("look", [Store.read, Store.read_compared])
@pytest.mark.parametrize("name", ["manifest.json", "report.html", "report.csv"])
def test_a_reader_whose_snapshot_is_deleted_meanwhile_finds_none_and_no_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, look: Callable[[Store, str, str], object]
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    folder = snapshot_folder(store, snapshot_id)

    def delete() -> None:
        folder.rename(store.folder / "aside")
        shutil.rmtree(store.folder / "aside")

    look(store, snapshot_id, "report.html")
    before_opening(monkeypatch, name, delete)
    if look is Store.read and name != "report.html":
        look(store, snapshot_id, "report.html")  # it opens nothing else
        delete()
    with pytest.raises(SnapshotNotFoundError):
        look(store, snapshot_id, "report.html")


def test_a_snapshot_that_is_deleted_while_everything_is_verified_is_no_problem(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    folder = snapshot_folder(store, snapshot_id)
    before_opening(monkeypatch, "report.csv", lambda: shutil.rmtree(folder))
    assert store.verify() == []
    assert [problem.what for problem in store.verify([snapshot_id])] == ["is missing"]


def test_a_state_that_is_exchanged_while_it_is_read_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, '{"expires":null,"revoked":null}')
    new = store.folder / "new.json"

    def exchange() -> None:
        new.write_text('{"expires":"2999-01-01T00:00:00Z","revoked":null}')
        new.rename(store.folder / "state" / snapshot_id[:2] / f"{snapshot_id}.json")

    before_opening(monkeypatch, f"{snapshot_id}.json", exchange, times=5)
    assert store.read(snapshot_id, "report.html") == FILES["report.html"]
    before_opening(monkeypatch, f"{snapshot_id}.json", exchange, times=100_000)
    with pytest.raises(SnapshotDamagedError, match="its state"):
        store.read(snapshot_id, "report.html")


def test_a_snapshot_has_expired_at_the_moment_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return PAST.astimezone(tz)

    monkeypatch.setattr(visibility, "datetime", Clock)
    second = timedelta(seconds=1)
    words = [State(expires=end).word for end in (PAST - second, PAST, PAST + second)]
    assert words == ["expired", "expired", ""]


def test_the_words_of_a_state_say_until_or_since_when() -> None:
    past, later = datetime(2021, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
    assert describe_state(State()) == "visible"
    assert describe_state(State(expires=later)) == "visible until 9000-01-01T00:00:00Z"
    assert describe_state(State(expires=past)) == "expired at 2021-01-01T00:00:00Z"
    assert describe_state(State(revoked=past, expires=later)) == "revoked at 2021-01-01T00:00:00Z"
