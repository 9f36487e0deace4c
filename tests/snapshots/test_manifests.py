"""Manifests: what the store accepts at its limits, and everything else, which is no manifest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError, SnapshotNewerError
from custdyn_widgets.files.canonical_json import canonical_json
from custdyn_widgets.snapshots import manifests
from custdyn_widgets.snapshots.evidence import Evidence
from custdyn_widgets.snapshots.ids import id_of, is_id
from custdyn_widgets.snapshots.manifests import parsed, sealed
from custdyn_widgets.snapshots.newer import is_newer, newer_formats
from custdyn_widgets.snapshots.store import Store

ENTRY: dict[str, Any] = {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
EVIDENCE: dict[str, Any] = {**ENTRY, "nonce": "e" * 32}
GOOD: dict[str, Any] = {"format": 1, "nonce": "0" * 32, "files": {"a": ENTRY}, "evidence": EVIDENCE}
LONGEST = "x" * 100


def is_manifest(**changes: object) -> bool:
    data = canonical_json({**GOOD, **changes})
    try:
        return parsed(data, id_of(data)) == {**GOOD, **changes}
    except SnapshotDamagedError as error:
        return error.what != "is not a manifest that this version supports"


@pytest.mark.parametrize("changes", [{}, {"files": {}}, {"files": {LONGEST: ENTRY}}, {"role": ["any", None]}])
def test_a_manifest_is_read_as_it_was_written(changes: dict[str, object]) -> None:
    assert is_manifest(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 0},
        {"format": -1},
        {"format": "1"},
        {"nonce": "0" * 31},
        {"nonce": "G" * 32},
        {"nonce": 0},
        {"nonce": None},
        {"files": None},
        {"files": ["a"]},
        {"files": {"A": ENTRY}},
        {"files": {LONGEST + "x": ENTRY}},
        {"files": {"manifest.json": ENTRY}},
        {"files": {"evidence.parquet": ENTRY}},
        *(
            {"files": {"a": wrong}}
            for wrong in (
                None,
                [],
                {"size": 0},
                {**ENTRY, "more": 1},
                {**ENTRY, "size": -1},
                {**ENTRY, "size": True},
                {**ENTRY, "size": "0"},
                {**ENTRY, "sha256": "0" * 63},
                {**ENTRY, "sha256": None},
            )
        ),
        *(
            {"evidence": wrong}
            for wrong in (
                None,
                [],
                ENTRY,
                {**EVIDENCE, "nonce": 5},
                {**EVIDENCE, "size": -1},
                {"nonce": "e" * 32},
            )
        ),
    ],
    ids=str,
)
def test_a_manifest_with_one_wrong_value_is_none(changes: dict[str, object]) -> None:
    assert not is_manifest(**changes)


def test_a_manifest_without_evidence_is_one() -> None:
    data = canonical_json({key: value for key, value in GOOD.items() if key != "evidence"})
    assert "evidence" not in parsed(data, id_of(data))


def test_what_is_exactly_as_large_as_allowed_is_stored_and_read_and_one_more_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, evidence = Store(tmp_path / "store"), Evidence("e" * 32, b"12345")
    monkeypatch.setattr(manifests, "MAX_FILES", 2)
    monkeypatch.setattr(manifests, "MAX_BYTES", 10)
    snapshot_id = store.publish({}, {LONGEST: b"123", "b": b"45"}, evidence)
    assert store.read(snapshot_id, LONGEST) == b"123"
    assert store.publish({}, {LONGEST: b"1234567890"})
    with pytest.raises(SnapshotError, match="at most 10 bytes in its files, but this one has 11"):
        sealed({}, {"a": b"123", "b": b"456"}, evidence)
    with pytest.raises(SnapshotError, match="at most 2 files, but this one has 3"):
        sealed({}, {"a": b"", "b": b"", "c": b""}, evidence)
    monkeypatch.setattr(manifests, "MAX_BYTES", 9)
    with pytest.raises(SnapshotDamagedError, match="is not a manifest"):
        store.manifest(snapshot_id)
    length = len(sealed({}, {}))
    monkeypatch.setattr(manifests, "MAX_MANIFEST_BYTES", length)
    assert len(sealed({}, {})) == length
    with pytest.raises(
        SnapshotError, match=f"{length:,} bytes in its manifest, but this one has {length + 6:,}"
    ):
        sealed({"a": 1}, {})


def test_a_manifest_larger_than_any_that_is_written_is_not_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    snapshot_id = store.publish({}, {"a": b""})
    os.truncate(store.place(snapshot_id) / "manifest.json", 2**26 + 1)
    with pytest.raises(SnapshotDamagedError, match="is 67,108,865 bytes long; at most 67,108,864 "):
        store.manifest(snapshot_id)


@pytest.mark.parametrize(
    ("data", "newer"),
    [
        (b'{"format":2}', True),
        (b'{ "format": 10, "x": 1.5 }', True),
        (b'{"format":1}', False),
        (b'{"format":true}', False),
        (b'{"format":"2"}', False),
        (b"[2]", False),
        (b"{}", False),
        (b"{", False),
        (b"\xff", False),
        (b"[" * 100_000, False),
    ],
)
def test_only_a_whole_number_above_this_versions_format_is_newer(data: bytes, newer: bool) -> None:
    assert is_newer(data) is newer
    with pytest.raises(SnapshotDamagedError) as caught:
        parsed(data, "a" * 52)
    assert isinstance(caught.value, SnapshotNewerError) is newer


def test_the_folders_of_newer_formats_are_found_among_others(tmp_path: Path) -> None:
    assert newer_formats(tmp_path / "none") == []
    for name in ("v1", "v2", "v10", "v0", "vx", "v1234567", "w2", "v2.old", "state"):
        (tmp_path / name).mkdir()
    assert sorted(newer_formats(tmp_path)) == ["v10", "v2"]


def test_what_is_no_id_is_in_no_newer_folder_either(tmp_path: Path) -> None:
    store, snapshot_id = Store(tmp_path), "a" * 52
    (tmp_path / "v2" / "aa" / snapshot_id).mkdir(parents=True)
    (tmp_path / "v2" / "ab" / "abc").mkdir(parents=True)
    assert is_id(snapshot_id) is True
    assert is_id("abc") is False
    [newer] = store.verify([snapshot_id])
    assert (newer.file, newer.what) == ("", SnapshotNewerError.WHAT)
    [none] = store.verify(["abc"])
    assert none.what.startswith("is not an id")


def test_evidence_does_not_show_itself_in_messages() -> None:
    assert repr(Evidence("e" * 32, b"digests")).startswith("<")
