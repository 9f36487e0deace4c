"""The snapshot store: nothing half there, nothing changed unseen, nothing found without its id."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from custdyn_widgets.errors import (
    SnapshotDamagedError,
    SnapshotError,
    SnapshotNewerError,
    SnapshotNotFoundError,
    SnapshotUnknownError,
)
from custdyn_widgets.files.canonical_json import canonical_json, parse_canonical
from custdyn_widgets.snapshots import listing, manifests, pruning
from custdyn_widgets.snapshots import store as store_module
from custdyn_widgets.snapshots.evidence import Evidence
from custdyn_widgets.snapshots.ids import id_of, is_id
from custdyn_widgets.snapshots.life import revoke
from custdyn_widgets.snapshots.manifests import sealed
from custdyn_widgets.snapshots.store import Problem, Store
from custdyn_widgets.text import text_width

MANIFEST = {
    "generated_at": "2026-11-22T10:00:00Z",
    "query_words": "Last month (UTC), clients, by month",
    "role": "analyst",
}
FILES = {
    "report.html": b"<h1>A page</h1>\n" * 40,
    "report.csv": b"Month\r\n2026-10\r\n",
    "chart-1-active.svg": b"<svg/>",
}
EVIDENCE = Evidence("0123456789abcdef" * 2, b"digests")
HOSTILE_IDS = (
    "", "a", "a" * 51, "a" * 53, "a" * 52 + "\n", "A" * 52, "0" * 52, "a" * 51 + "b", "../" * 17 + "a",
    "a" * 51 + "а", "a" * 51 + "\0", "a" * 100_000, "manifest.json", None, 5, b"a" * 52, "a" * 51 + "ａ",
    " " + "a" * 52,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store")


def set_state(store: Store, snapshot_id: str, text: str) -> None:
    folder = store.folder / "state" / snapshot_id[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{snapshot_id}.json").write_text(text)


def snapshot_folder(store: Store, snapshot_id: str) -> Path:
    return store.folder / "v1" / snapshot_id[:2] / snapshot_id


def noted_disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which each sync (of a `file` or a `folder`) and each `rename` is added from now."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_rename(*args: object, **kwargs: object) -> None:
        calls.append("rename")
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    return calls


def test_what_is_published_is_read_again_byte_for_byte(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    assert is_id(snapshot_id)
    assert {name: store.read(snapshot_id, name) for name in FILES} == FILES
    manifest = store.manifest(snapshot_id)
    assert MANIFEST.items() <= manifest.items()
    assert {name: entry["size"] for name, entry in manifest["files"].items()} == {
        n: len(d) for n, d in FILES.items()
    }
    assert store.ids() == [snapshot_id]
    assert store.verify() == []
    assert store.path(snapshot_id) == snapshot_folder(store, snapshot_id)
    assert list((store.folder / "tmp").iterdir()) == []


def test_the_id_is_that_of_the_stored_manifest_and_never_repeats(store: Store) -> None:
    ids = {store.publish(MANIFEST, FILES) for _ in range(5)}
    assert len(ids) == 5
    for snapshot_id in ids:
        data = (snapshot_folder(store, snapshot_id) / "manifest.json").read_bytes()
        assert id_of(data) == snapshot_id
        assert data == canonical_json(json.loads(data))
        assert re.fullmatch("[0-9a-f]{32}", json.loads(data)["nonce"])


def test_a_store_that_is_not_there_yet_is_empty_and_not_made_by_looking(store: Store) -> None:
    assert (store.ids(), store.verify()) == ([], [])
    with pytest.raises(SnapshotNotFoundError):
        store.manifest("a" * 52)
    assert not store.folder.exists()


@pytest.mark.parametrize("hostile", HOSTILE_IDS, ids=range(len(HOSTILE_IDS)))
def test_only_52_characters_of_base32_are_an_id(store: Store, hostile: object) -> None:
    store.publish(MANIFEST, FILES)
    assert not is_id(hostile)
    for look in (store.manifest, store.path, lambda i: store.read(i, "report.html")):
        with pytest.raises(SnapshotNotFoundError):
            look(hostile)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "../x",
        "a/b",
        "",
        ".",
        "..",
        "A.html",
        ".hidden",
        "a..b",
        "a b",
        "a\n",
        "x" * 101,
        "a.",
        "ä.csv",
        "a\0",
        "evidence.parquet",
    ],
)
def test_a_file_name_outside_the_pattern_is_refused_before_anything_is_written(
    store: Store, name: str
) -> None:
    with pytest.raises(SnapshotError, match="cannot have a file named"):
        store.publish(MANIFEST, {name: b"x"})
    assert not store.folder.exists()


@pytest.mark.parametrize("key", ["format", "nonce", "files", "evidence"])
def test_a_manifest_cannot_set_what_the_store_sets(store: Store, key: str) -> None:
    with pytest.raises(SnapshotError, match=key):
        store.publish({key: 1}, FILES)


def test_files_get_what_the_umask_leaves_and_no_exec_bit(store: Store) -> None:
    before = os.umask(0o027)
    try:
        snapshot_id = store.publish(MANIFEST, FILES)
    finally:
        os.umask(before)
    folder = store.path(snapshot_id)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o640}


def test_evidence_is_kept_apart_from_the_files_and_only_its_owner_can_read_it(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES, EVIDENCE)
    assert store.evidence(snapshot_id) == EVIDENCE
    assert store.evidence(store.publish(MANIFEST, FILES)) is None
    manifest = store.manifest(snapshot_id)
    assert store.publish(MANIFEST, FILES, EVIDENCE) != snapshot_id
    assert manifest["files"].keys() == FILES.keys()
    file = store.path(snapshot_id) / "evidence.parquet"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(SnapshotNotFoundError):
        store.read(snapshot_id, "evidence.parquet")
    page, wrong = store.read_compared(snapshot_id, "report.html")
    assert (page, wrong) == (FILES["report.html"], {})
    assert manifest["evidence"]["nonce"] == EVIDENCE.nonce
    size = next(entry.size for entry in listing.entries(store) if entry.id == snapshot_id)
    assert size == sum(map(len, FILES.values())) + len(EVIDENCE.data)
    revoke(store, snapshot_id)
    with pytest.raises(SnapshotNotFoundError):
        store.evidence(snapshot_id)
    for own in store.ids():
        pruning.delete(store, own)
    assert not [*store.folder.rglob("evidence*")]


def test_the_group_of_a_shared_store_can_read_evidence_but_nobody_else(store: Store) -> None:
    store.folder.mkdir()
    store.folder.chmod(0o2775)
    file = store.path(store.publish(MANIFEST, FILES, EVIDENCE)) / "evidence.parquet"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize("damage", [b"", b"other", EVIDENCE.data + b"x", None])
def test_the_id_covers_the_evidence(store: Store, damage: bytes | None) -> None:
    snapshot_id = store.publish(MANIFEST, FILES, EVIDENCE)
    assert store.verify() == []
    file = store.path(snapshot_id) / "evidence.parquet"
    file.unlink() if damage is None else file.write_bytes(damage)
    assert [problem.file for problem in store.verify()] == ["evidence.parquet"]
    with pytest.raises(SnapshotDamagedError, match="evidence"):
        store.evidence(snapshot_id)
    assert store.read(snapshot_id, "report.html") == FILES["report.html"]


def test_a_folder_whose_maker_was_killed_before_it_was_shared_is_shared_by_his_next_publishing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.folder.mkdir()
    store.folder.chmod(0o2770)
    data = sealed(MANIFEST, FILES)
    monkeypatch.setattr("custdyn_widgets.snapshots.store.sealed", lambda *_: data)
    folders = [store.folder / name for name in ("tmp", "v1", f"v1/{id_of(data)[:2]}", "state")]
    for folder in folders:
        folder.mkdir()
        folder.chmod(0o2700)  # what an umask of 077 leaves
    revoke(store, store.publish(MANIFEST, FILES))
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o2770}


def test_below_a_folder_that_a_group_shares_each_of_it_can_go_on_whatever_the_umask(store: Store) -> None:
    store.folder.mkdir()
    store.folder.chmod(0o2770)
    before = os.umask(0o077)
    try:
        snapshot_id = store.publish(MANIFEST, FILES)
        revoke(store, snapshot_id)
    finally:
        os.umask(before)
    folders = [path for path in store.folder.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o2770}
    files = [path for path in store.folder.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}
    assert stat.S_IMODE((store.folder / "state" / ".lock").stat().st_mode) == 0o660


# --- canonical JSON


@pytest.mark.parametrize(
    "value", [{"a": 1.0}, {"a": [{"b": float("nan")}]}, {1: "a"}, {"a": b"x"}, {"a": {1, 2}}, {"a": object()}]
)
def test_canonical_json_refuses_floats_and_other_types_however_deep(value: object) -> None:
    with pytest.raises(SnapshotError):
        canonical_json(value)


def test_canonical_json_refuses_nan_even_where_floats_may_be_and_bottomless_values() -> None:
    with pytest.raises(SnapshotError):
        canonical_json({"a": float("inf")}, floats=True)
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(SnapshotError):
        canonical_json(endless)


def test_canonical_json_is_one_form_whatever_the_order_and_the_characters() -> None:
    hostile = {"z": "\ud800 \ufffe \x00 </script> é 😀", "a": ["\ud83d\ude00", None, True, -1, 10**30]}
    data = canonical_json(hostile)
    assert data == canonical_json(dict(reversed(hostile.items())))
    assert canonical_json(parse_canonical(data)) == data
    assert "é 😀".encode() in data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":NaN}',
        b"\xff",
        b"[" * 100_000,
        b'"\\u0041"',
    ],
)
def test_any_other_form_of_json_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        parse_canonical(data)


# --- verify


def flip(folder: Path) -> None:
    data = bytearray((folder / "report.html").read_bytes())
    data[7] ^= 1
    (folder / "report.html").write_bytes(data)


def flip_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"role":"analyst"', b'"role":"analyzt"'))


def link(folder: Path, make: Callable[[Path, Path], None]) -> None:
    outside = folder.parents[2] / "outside.csv"
    (folder / "report.csv").rename(outside)
    make(folder / "report.csv", outside)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped byte": (flip, "report.html"),
    "flipped byte of the manifest": (flip_manifest, "manifest.json"),
    "truncated": (lambda f: (f / "report.csv").write_bytes(FILES["report.csv"][:-1]), "report.csv"),
    "emptied": (lambda f: (f / "report.csv").write_bytes(b""), "report.csv"),
    "added": (lambda f: (f / "extra.html").write_bytes(b""), "extra.html"),
    "added folder": (lambda f: (f / "extra").mkdir(), "extra"),
    "removed": (lambda f: (f / "report.csv").unlink(), "report.csv"),
    "manifest removed": (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
    "renamed": (lambda f: (f / "report.csv").rename(f / "report.tsv"), "report.csv"),
    "symlinked": (lambda f: link(f, Path.symlink_to), "report.csv"),
    "hard-linked": (lambda f: link(f, Path.hardlink_to), "report.csv"),
    "a folder": (lambda f: ((f / "report.csv").unlink(), (f / "report.csv").mkdir()), "report.csv"),
    "a pipe": (lambda f: ((f / "report.csv").unlink(), os.mkfifo(f / "report.csv")), "report.csv"),
    "a terabyte of nothing": (lambda f: os.truncate(f / "report.csv", 2**40), "report.csv"),
    "a manifest of a terabyte": (lambda f: os.truncate(f / "manifest.json", 2**40), "manifest.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_finds_a_file_that_is(store: Store, damage: str) -> None:
    sound, hurt = store.publish(MANIFEST, FILES), store.publish(MANIFEST, FILES)
    spoil, name = DAMAGE[damage]
    spoil(snapshot_folder(store, hurt))
    problems = store.verify()
    assert {problem.id for problem in problems} == {hurt}
    assert name in {problem.file for problem in problems}
    assert store.verify([sound]) == []
    if name in FILES:
        with pytest.raises(SnapshotDamagedError):
            store.read(hurt, name)


def test_verify_finds_every_flipped_byte_of_every_file(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    draw = random.Random(1)
    for file in sorted(snapshot_folder(store, snapshot_id).iterdir()):
        whole = file.read_bytes()
        for at in {0, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(20))}:
            file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :])
            assert [problem.file for problem in store.verify()] == [file.name]
        file.write_bytes(whole)
    assert store.verify() == []


def test_verify_finds_renamed_linked_and_missing_snapshots_and_what_lies_among_them(store: Store) -> None:
    one, two, three = (store.publish(MANIFEST, FILES) for _ in range(3))
    other = ("b" if one[0] == "a" else "a") + one[1:]
    snapshot_folder(store, other).parent.mkdir(exist_ok=True)
    snapshot_folder(store, one).rename(snapshot_folder(store, other))
    snapshot_folder(store, two).rename(store.folder / "moved")
    snapshot_folder(store, two).symlink_to(store.folder / "moved")
    (snapshot_folder(store, three).parent / "note.txt").write_text("x")
    (store.folder / "v1" / "stray").write_text("x")
    found = {(problem.id, problem.file) for problem in store.verify()}
    strays = {("", f"v1/{three[:2]}/note.txt"), ("", "v1/stray")}
    assert found == {(other, "manifest.json"), (two, ""), *strays}
    with pytest.raises(SnapshotDamagedError, match="its folder"):
        store.read(two, "report.html")
    assert [p.what for p in store.verify([one])] == ["is missing"]
    assert store.verify(["../x"])[0].what.startswith("is not an id")


def test_what_lies_in_the_wrong_two_letter_folder_or_only_looks_like_an_id_is_a_stray(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    shard = snapshot_id[:2]
    wrong, short = f"bb{'a' * 50}" if shard != "bb" else "a" * 52, f"{shard}{'a' * 49}"
    for name in (wrong, short):
        (store.folder / "v1" / shard / name).mkdir()
    assert store.ids() == [snapshot_id]
    found = {(problem.id, problem.file, problem.what) for problem in store.verify()}
    assert found == {("", f"v1/{shard}/{name}", "is not a snapshot") for name in (wrong, short)}


def test_reading_a_page_checks_every_byte_of_its_snapshot(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    assert store.read_compared(snapshot_id, "report.csv") == (FILES["report.csv"], {})
    flip(snapshot_folder(store, snapshot_id))
    told = {"report.html": "differs from what was published"}
    assert store.read_compared(snapshot_id, "report.csv") == (FILES["report.csv"], told)
    with pytest.raises(SnapshotDamagedError, match=r"report\.html differs"):
        store.read_compared(snapshot_id, "report.html")
    flip_manifest(snapshot_folder(store, snapshot_id))
    with pytest.raises(SnapshotDamagedError, match=r"manifest\.json does not match the id"):
        store.read_compared(snapshot_id, "report.csv")


def test_a_store_remembers_the_manifests_of_a_bounded_number_of_snapshots(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_REMEMBERED", 2)
    ids = [store.publish(MANIFEST, FILES) for _ in range(3)]
    known = []
    for snapshot_id in ids:
        store.read(snapshot_id, "report.csv")
        known.append(len(store._remembered))
    assert known == [1, 2, 1]


SEALED: dict[str, object] = {"nonce": "0" * 32, "files": {}}


def test_a_manifest_of_an_unknown_format_is_damaged_and_not_guessed_at(store: Store) -> None:
    for manifest in (
        {**SEALED, "format": 2},
        {**SEALED, "format": True},
        [],
    ):
        data = canonical_json(manifest)
        folder = snapshot_folder(store, id_of(data))
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_bytes(data)
        with pytest.raises(SnapshotDamagedError) as caught:
            store.manifest(id_of(data))
        assert isinstance(caught.value, SnapshotNewerError) == (manifest == {**SEALED, "format": 2})
    assert len(store.verify()) == 3


@pytest.mark.parametrize("text", ['{"format": 2}', '{"format":3,"x":1.5}', '{ "format": 99, "files": [] }'])
def test_a_manifest_of_a_newer_format_is_known_however_that_writes_it(store: Store, text: str) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    (snapshot_folder(store, snapshot_id) / "manifest.json").write_text(text)
    with pytest.raises(SnapshotNewerError, match=r"newer version of custdyn\. Update custdyn to read it\."):
        store.manifest(snapshot_id)


def test_an_id_that_a_newer_version_stored_elsewhere_is_not_just_absent(store: Store) -> None:
    (store.folder / "v12" / "aa" / ("a" * 52)).mkdir(parents=True)
    with pytest.raises(SnapshotNewerError):
        store.manifest("a" * 52)
    with pytest.raises(SnapshotNotFoundError):
        store.manifest("b" * 51 + "a")
    set_state(store, "a" * 52, '{"expires":null,"revoked":"2026-01-01T00:00:00Z"}')
    with pytest.raises(SnapshotNotFoundError):
        store.manifest("a" * 52)


LISTED = {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()}


@pytest.mark.parametrize(
    "files",
    [
        {f"chart-{n}.svg": LISTED for n in range(1_001)},
        {"report.html": {**LISTED, "size": 2**30 + 1}},
        {"report.html": {**LISTED, "size": 2**29}, "report.csv": {**LISTED, "size": 2**29 + 1}},
        {"report.html": {**LISTED, "size": 10**4000}},
    ],
)
def test_a_manifest_that_lists_more_than_a_snapshot_takes_is_damaged_before_a_file_is_read(
    store: Store, files: dict[str, object]
) -> None:
    data = canonical_json({"format": 1, "nonce": "0" * 32, "files": files})
    folder = snapshot_folder(store, id_of(data))
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(SnapshotDamagedError, match="is not a manifest that this version supports"):
        store.read_compared(id_of(data), "report.html")


def test_more_than_a_snapshot_takes_is_refused_in_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SnapshotError, match="1,000 files, but this one has 1,001"):
        store.publish(MANIFEST, {f"chart-{n}.svg": b"" for n in range(1_001)})
    monkeypatch.setattr(manifests, "MAX_BYTES", 100)
    with pytest.raises(SnapshotError, match="can have at most 100 bytes in its files"):
        store.publish(MANIFEST, FILES)
    monkeypatch.setattr(manifests, "MAX_MANIFEST_BYTES", 100)
    with pytest.raises(SnapshotError, match="100 bytes in its manifest"):
        store.publish(MANIFEST, {})
    assert store.ids() == []


# --- state


def test_a_state_of_a_terabyte_hides_the_snapshot_and_is_not_read(store: Store) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, "{}")
    os.truncate(store.folder / "state" / snapshot_id[:2] / f"{snapshot_id}.json", 2**40)
    with pytest.raises(SnapshotDamagedError, match="its state"):
        store.read(snapshot_id, "report.html")
    assert [problem.file for problem in store.verify()] == ["its state"]


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ('{"expires":null,"revoked":null}', True),
        ('{"expires":"2999-01-01T00:00:00Z"}', True),
        ('{"expires":"2020-01-01T00:00:00Z"}', False),
        ('{"revoked":"2020-01-01T00:00:00Z"}', False),
        ('{"revoked":"2999-01-01T00:00:00Z"}', False),
    ],
)
def test_a_revoked_or_expired_snapshot_is_not_found_and_still_verified(
    store: Store, state: str, seen: bool
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    assert store.read(snapshot_id, "report.html")
    set_state(store, snapshot_id, state)
    if seen:
        assert store.read(snapshot_id, "report.html") == FILES["report.html"]
    else:
        for look in (store.manifest, store.path, lambda i: store.read(i, "report.html")):
            with pytest.raises(SnapshotNotFoundError):
                look(snapshot_id)
    assert store.verify() == []


@pytest.mark.parametrize(
    "state",
    [
        "", "{}x", "[]", '{"revoked":5}', '{"expires":"soon"}', '{"x":null}', '{"expires":"2999-01-01"}',
        '{"expires":"0001-01-01T00:00:00+01:00"}', '{"revoked":"9999-12-31T23:59:59-01:00"}',
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_read_hides_the_snapshot_and_is_a_problem(store: Store, state: str) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, state)
    with pytest.raises(SnapshotDamagedError):
        store.read(snapshot_id, "report.html")
    assert store.verify() == [Problem(snapshot_id, "its state", "is not a state that this version supports")]


@pytest.mark.parametrize("linked", ["v1", "v1/shard"])
def test_nothing_is_published_through_a_link_that_no_reader_follows(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    data = sealed(MANIFEST, FILES)
    monkeypatch.setattr("custdyn_widgets.snapshots.store.sealed", lambda *_: data)
    there = store.folder / linked.replace("shard", id_of(data)[:2])
    there.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    there.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError, match="Nothing was published"):
        store.publish(MANIFEST, FILES)
    assert [f for f in (tmp_path / "elsewhere").rglob("*") if not f.is_dir()] == []


# --- failures while publishing


def failing(call: Callable[..., object], number: int, at: int) -> Callable[..., object]:
    count = iter(range(1, 1000))

    def wrapped(*args: object, **kwargs: object) -> object:
        if next(count) == at:
            raise OSError(number, os.strerror(number))
        return call(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EINTR])
@pytest.mark.parametrize("name", ["mkdir", "open", "fsync", "rename"])
def test_a_failing_call_gives_an_error_and_leaves_nothing_half_there(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    store.publish(MANIFEST, FILES)
    known = set(store.ids())
    outcomes: list[str] = []
    message = ""
    for at in range(1, 14):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), number, at))
            try:
                outcome, told = "published", store.publish(MANIFEST, FILES)
            except SnapshotUnknownError as error:
                outcome, told = "unknown", error.snapshot_id
                message = str(error)
            except SnapshotError as error:
                outcome, told = "not published", ""
                message = str(error)
        outcomes.append(outcome)
        known |= {told} - {""}
        assert outcome == "published" or (os.strerror(number) in message and told in message)
        assert set(store.ids()) == known
        assert store.verify() == []
        assert list((store.folder / "tmp").iterdir()) == []
    assert outcomes[0] == "not published"
    assert outcomes[-1] == "published"
    assert ("unknown" in outcomes) == (name in ("fsync", "open"))


def test_a_clean_up_that_fails_as_well_does_not_hide_why_nothing_was_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def close_badly(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def rename_badly(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(os, "close", close_badly)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "rename", rename_badly)
    with pytest.raises(SnapshotError, match=os.strerror(errno.ENOSPC)):
        store.publish(MANIFEST, FILES)
    monkeypatch.setattr(os, "close", close)
    assert store.ids() == []


def test_a_rename_whose_answer_is_lost_leaves_it_open_whether_the_snapshot_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def lost(self: Path, target: Path) -> None:
        rename(self, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "rename", lost)
    with pytest.raises(SnapshotUnknownError, match="Input/output error") as caught:
        store.publish(MANIFEST, FILES)
    assert "Errno" not in str(caught.value)
    assert store.read(caught.value.snapshot_id, "report.html") == FILES["report.html"]


def test_an_id_is_returned_only_after_files_folder_rename_and_parents_are_on_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(MANIFEST, FILES)
    calls = noted_disk_calls(monkeypatch)
    store.publish(MANIFEST, FILES)
    after = calls[calls.index("file") :]  # a new folder for the id's first two letters may come before
    assert after == ["file"] * (len(FILES) + 1) + ["folder", "rename", "folder", "folder", "folder"]


PUBLISHER = """
import sys
from custdyn_widgets.snapshots.store import Store
store = Store(sys.argv[1])
files = {f"file-{n}.bin": bytes([n]) * 20_000 for n in range(6)}
print("ready", flush=True)
while True:
    print(store.publish({"role": "analyst"}, files), flush=True)
"""


@pytest.mark.parametrize("publishers", [1, 2])
def test_a_kill_in_the_middle_never_shows_a_part_and_never_loses_what_was_said(
    store: Store, publishers: int
) -> None:
    draw = random.Random(publishers)
    began = time.monotonic()
    said = [store.publish(MANIFEST, FILES)]
    usual = time.monotonic() - began
    rounds = 0
    while rounds < 10 or (len(said) < 3 and rounds < 100):  # a busy machine may kill each before its first
        rounds += 1
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PUBLISHER, str(store.folder)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(publishers)
        ]
        outs = [process.stdout for process in processes]
        assert all(out is not None and out.readline() == "ready\n" for out in outs)
        time.sleep(draw.random() * 4 * usual)
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            text, _ = process.communicate()
            said += [line for line in text.split("\n")[:-1] if is_id(line)]
        assert store.verify() == []
    assert len(said) >= 3
    assert set(said) <= set(store.ids())


def test_publishers_side_by_side_lose_nothing(store: Store) -> None:
    said: list[str] = []

    def publish() -> None:
        mine = Store(store.folder)
        said.extend(mine.publish(MANIFEST, FILES) for _ in range(15))

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == store.ids()
    assert len(set(said)) == 120
    assert store.verify() == []


# --- in words


def test_the_list_tells_the_newest_first_and_what_cannot_be_seen_last(store: Store) -> None:
    old = store.publish({**MANIFEST, "generated_at": "2025-01-01T00:00:00Z"}, FILES)
    new = store.publish({**MANIFEST, "query_words": "evil\x1b[2J\nname"}, FILES)
    gone, hurt = store.publish(MANIFEST, FILES), store.publish(MANIFEST, FILES)
    set_state(store, gone, '{"revoked":"2026-01-01T00:00:00Z"}')
    flip_manifest(snapshot_folder(store, hurt))
    listed = listing.entries(store)
    assert [entry.id for entry in listed[:2]] == [new, old]
    assert {(entry.id, entry.state) for entry in listed[2:]} == {(gone, "revoked"), (hurt, "damaged")}
    assert listed[1] == listing.Entry(old, "2025-01-01T00:00:00Z", MANIFEST["query_words"], "analyst", 662)
    text = listing.entries_text(listed)
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text
    assert listing.entries_text([]) == "There are no snapshots yet."


def test_one_long_role_makes_no_other_line_of_the_list_long(store: Store) -> None:
    store.publish({**MANIFEST, "role": "r" * 1_000_000}, FILES)
    store.publish(MANIFEST, FILES)
    text = listing.entries_text(listing.entries(store))
    assert max(map(len, text.splitlines())) < 250
    assert f"{'r' * 20}" in text


def test_the_list_is_aligned_where_roles_have_wide_characters(store: Store) -> None:
    ids = {store.publish({**MANIFEST, "role": role}, FILES) for role in ("営業部", "analyst")}
    lines = listing.entries_text(listing.entries(store)).splitlines()[1:]
    assert len({text_width(line[: line.index(i)]) for line in lines for i in ids if i in line}) == 1


def test_a_manifest_and_a_verification_are_shown_in_words(store: Store) -> None:
    snapshot_id = store.publish({**MANIFEST, "quotes": ["a quote"] * 3000}, FILES)
    text = listing.manifest_text(snapshot_id, store.manifest(snapshot_id))
    assert MANIFEST["query_words"] in text
    assert "state" not in text
    shown = listing.manifest_text(snapshot_id, store.manifest(snapshot_id), "revoked")
    assert re.search("^state +revoked$", shown, re.MULTILINE)
    assert "report.html         640" in text
    assert "nonce" not in text
    assert "quotes        3,000 in all" in text
    assert listing.problems_text(store.verify(), 1).startswith("1 snapshot verified")
    flip(snapshot_folder(store, snapshot_id))
    text = listing.problems_text(store.verify(), 1)
    assert f"{snapshot_id}  report.html differs from what was published" in text
    assert "1 problem in 1 snapshot" in text
