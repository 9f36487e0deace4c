"""Signing: the private key's file, who may sign what, and that ids and other bytes stay the same."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from custdyn_widgets.errors import SettingsError, SnapshotDamagedError, SnapshotError, SnapshotNotFoundError
from custdyn_widgets.publish import publish
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store, life, pruning, signatures, signing
from tests.make_report import make_report
from tests.snapshots.signed import EVIDENCE, FILES, Signed, signed_snapshot


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return signed_snapshot(tmp_path)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_key_is_a_file_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = signing.new_key(tmp_path / "new" / "key.pem", tmp_path / "store")
    finally:
        os.umask(before)
    path = tmp_path / "new" / "key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.load_key(path, tmp_path / "store").public == key.public
    assert list(path.parent.iterdir()) == [path]


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("something else")
    with pytest.raises(SettingsError, match="exists and was not changed"):
        signing.new_key(path, tmp_path / "store")
    assert path.read_text() == "something else"


@pytest.mark.parametrize("place", ["store/key.pem", "store/state/key.pem", "link/key.pem"])
def test_a_key_in_the_store_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "store" / "state").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with pytest.raises(SettingsError, match="is in the snapshot store"):
        signing.new_key(tmp_path / place, tmp_path / "store")
    assert files_below(tmp_path / "store") == {}
    signing.new_key(tmp_path / "key.pem", tmp_path / "store")
    (tmp_path / "key.pem").rename(tmp_path / place)
    with pytest.raises(SettingsError, match="is in the snapshot store"):
        signing.load_key(tmp_path / place, tmp_path / "store")


@pytest.mark.parametrize("is_worktree", [False, True])
def test_a_key_in_a_checkout_is_refused(tmp_path: Path, is_worktree: bool) -> None:
    if is_worktree:
        (tmp_path / ".git").write_text("gitdir: elsewhere")
    else:
        (tmp_path / ".git").mkdir()
    with pytest.raises(SettingsError, match="is in the Git checkout"):
        signing.new_key(tmp_path / "deep" / "key.pem", tmp_path / "store")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    signing.new_key(tmp_path / "key.pem", tmp_path / "store")
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        signing.load_key(tmp_path / "key.pem", tmp_path / "store")


def _pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hunter2 hunter2",
        _pem(ed25519.Ed25519PrivateKey.generate(), b"a password"),
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(ed25519.Ed25519PrivateKey.generate())[:60],
    ],
    ids=["empty", "text", "encrypted", "another kind", "cut short"],
)
def test_another_file_is_not_a_key_and_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="is not an unencrypted Ed25519 private key") as caught:
        signing.load_key(path, tmp_path / "store")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("place", ["folder", "/dev/null", "none.pem"])
def test_what_is_no_file_is_not_read_as_a_key(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SettingsError, match=r"cannot be read: |must be a file"):
        signing.load_key(tmp_path / place, tmp_path / "store")


def test_a_key_that_cannot_be_written_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"key\.pem cannot be written: .*irectory"):
        signing.new_key(tmp_path / "file" / "key.pem", tmp_path / "store")


def test_without_cryptography_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(SettingsError, match=r"pip install 'custdyn-widgets\[sign\]'"):
        signing.new_key(tmp_path / "key.pem", tmp_path / "store")
    assert not (tmp_path / "key.pem").exists()


def test_signing_changes_nothing_of_the_snapshot(signed: Signed) -> None:
    unsigned = Store(signed.store.folder.parent / "other")
    snapshot_id = unsigned.publish({"a": 1}, FILES, EVIDENCE)
    before = files_below(unsigned.folder)
    assert signatures.sign(unsigned, snapshot_id, signed.key)
    after = files_below(unsigned.folder)
    added = {f"signatures/{snapshot_id[:2]}/{snapshot_id}.json", f"keys/{signed.key.public}.json"}
    assert after.keys() - before.keys() == added
    assert {name: after[name] for name in before} == before
    assert unsigned.verify() == []
    assert not signatures.sign(unsigned, snapshot_id, signed.key)  # already
    assert files_below(unsigned.folder) == after


def test_another_key_replaces_a_signature_only_if_asked(signed: Signed, tmp_path: Path) -> None:
    other = signing.new_key(tmp_path / "other.pem", signed.store.folder)
    with pytest.raises(
        SnapshotError, match=f"already signed with another key, {signed.key.public}.*--replace"
    ):
        signatures.sign(signed.store, signed.id, other)
    found = signatures.signature_of(signed.store, signed.id)
    assert found is not None
    assert found.key == signed.key.public
    assert signatures.sign(signed.store, signed.id, other, replace=True)
    found = signatures.signature_of(signed.store, signed.id)
    assert found is not None
    assert found.key == other.public
    assert {one.key for one in signatures.published_keys(signed.store.folder)} == {
        signed.key.public,
        other.public,
    }


def test_only_who_froze_a_snapshot_and_root_sign_it(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = signed.store.place(signed.id).stat().st_uid
    other = signing.new_key(signed.store.folder.parent / "other.pem", signed.store.folder)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(SnapshotError, match="was not signed: it belongs to"):
        signatures.sign(signed.store, signed.id, other, replace=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert signatures.sign(signed.store, signed.id, other, replace=True)


def test_a_hidden_snapshot_is_not_signed(signed: Signed) -> None:
    life.revoke(signed.store, signed.id)
    with pytest.raises(SnapshotNotFoundError):
        signatures.sign(signed.store, signed.id, signed.key, replace=True)


def _harms(signed: Signed) -> dict[str, bytes]:
    stored = json.loads((signature_file(signed)).read_bytes())
    other = ed25519.Ed25519PrivateKey.generate()
    key = other.public_key().public_bytes_raw().hex()

    def written(**changes: str) -> bytes:
        return json.dumps({**stored, **changes}, sort_keys=True, separators=(",", ":")).encode()

    return {
        "another key": written(key=key),
        "another message": written(key=key, signature=other.sign(b"x").hex()),
        "one digit": written(
            signature=("1" if stored["signature"][0] != "1" else "2") + stored["signature"][1:]
        ),
        "capitals": written(signature=stored["signature"].upper()),
        "no signature": b'{"key":"' + signed.key.public.encode() + b'"}',
        "list": b"[]",
        "empty": b"",
        "spaces": b" " + written(),
        "long": b"[" * 5000,
    }


def signature_file(signed: Signed) -> Path:
    return signed.store.folder / "signatures" / signed.id[:2] / f"{signed.id}.json"


def test_a_changed_signature_is_damage_and_is_found(signed: Signed) -> None:
    for name, content in _harms(signed).items():
        signature_file(signed).write_bytes(content)
        with pytest.raises(SnapshotDamagedError, match="its signature"):
            signatures.signature_of(signed.store, signed.id)
        problems = signatures.signature_problems(signed.store, [signed.id])
        assert [problem.file for problem in problems] == ["its signature"], name
    with pytest.raises(SnapshotDamagedError):
        signatures.sign(signed.store, signed.id, signed.key)
    assert signatures.sign(signed.store, signed.id, signed.key, replace=True)
    assert signatures.signature_problems(signed.store, [signed.id]) == []


def test_a_signature_is_verified_once(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    verified, really = [], signatures.is_signed

    def counted(*given: Any) -> bool:
        verified.append(given)
        return really(*given)

    monkeypatch.setattr(signatures, "is_signed", counted)
    monkeypatch.setattr(signatures, "_REMEMBERED", 2)
    signatures._verified.clear()
    others = [signed.store.publish({}, FILES) for _ in range(2)]
    for other in others:
        signatures.sign(signed.store, other, signed.key)
    for _ in range(3):
        for snapshot_id in (signed.id, others[0]):
            signatures.signature_of(signed.store, snapshot_id)
    assert len(verified) == 2
    signatures.signature_of(signed.store, others[1])
    assert len(signatures._verified) == 1  # no more than are remembered


def test_keys_are_listed_newest_first_and_what_is_no_key_is_not(signed: Signed, tmp_path: Path) -> None:
    folder = signed.store.folder / "keys"
    undated, future = "1" * 64, "2" * 64
    for name, content in {
        undated: "no JSON", future: '{"since":"2999-01-01T00:00:00Z"}', "3" * 63: "{}", "G" * 64: "{}",
    }.items():  # fmt: skip
        (folder / f"{name}.json").write_text(content)
    (folder / ("4" * 64)).write_text('{"since":"2999-01-01T00:00:00Z"}')
    found = signatures.published_keys(signed.store.folder)
    assert [one.key for one in found] == [future, signed.key.public, undated]
    assert signatures.is_published(signed.store.folder, signed.key.public) is True
    assert signatures.is_published(signed.store.folder, "5" * 64) is False
    assert signatures.published_keys(tmp_path / "none") == []


def test_what_else_is_wrong_with_a_snapshot_is_no_problem_of_its_signature(signed: Signed) -> None:
    signatures._verified.clear()
    manifest = signed.store.place(signed.id) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    gone = signed.store.publish({}, FILES)
    signatures.sign(signed.store, gone, signed.key)
    pruning.delete(signed.store, gone)
    assert signatures.signature_problems(signed.store, [signed.id, gone, "a" * 52]) == []


def test_a_link_in_the_place_of_a_signature_is_not_followed(signed: Signed, tmp_path: Path) -> None:
    path = signature_file(signed)
    path.rename(tmp_path / "aside.json")
    path.symlink_to(tmp_path / "aside.json")
    with pytest.raises(SnapshotDamagedError, match="its signature"):
        signatures.signature_of(signed.store, signed.id)


def test_a_report_is_signed_when_it_is_frozen_if_a_key_is_set(tmp_path: Path) -> None:
    key = signing.new_key(tmp_path / "key.pem", tmp_path / "store")
    settings = Settings(tmp_path / "store", tmp_path, tmp_path, signing_key=tmp_path / "key.pem")
    store = Store(settings.snapshots)
    frozen = publish(make_report(1), settings, drawn={})
    assert frozen.id is not None
    found = signatures.signature_of(store, frozen.id)
    assert found is not None
    assert found.key == key.public


def test_a_key_that_cannot_be_used_publishes_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store", tmp_path, tmp_path, signing_key=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match=r"none.pem cannot be read.*custdyn snapshots key new"):
        publish(make_report(1), settings, drawn={})
    assert Store(settings.snapshots).ids() == []


def test_a_signature_that_cannot_be_written_is_an_error_with_its_remedy(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = signed.store.publish({}, FILES)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(signatures, "put_file", fail)
    with pytest.raises(
        SnapshotError, match=f"is stored, but.*No space.*custdyn snapshots sign {snapshot_id}"
    ):
        signatures.sign(signed.store, snapshot_id, signed.key)


def test_the_private_key_is_a_secret_that_no_snapshot_may_contain(tmp_path: Path) -> None:
    signing.new_key(tmp_path / "key.pem", tmp_path / "store")
    settings = Settings(tmp_path / "store", tmp_path, tmp_path, signing_key=tmp_path / "key.pem")
    body = (tmp_path / "key.pem").read_text().splitlines()[1]
    with pytest.raises(SnapshotError, match="contains the signing key"):
        publish(make_report(1, message=f"printed: {body}"), settings, drawn={})
    assert Store(settings.snapshots).ids() == []


def test_the_command_line_and_the_viewer_start_without_cryptography() -> None:
    code = "import sys; from custdyn_widgets.viewer import serve; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
