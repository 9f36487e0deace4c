"""The ZIP of a snapshot and its check: what is published passes, and nothing else does."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import shutil
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNotFoundError
from custdyn_widgets.snapshots import check_zip, exporting, life, pem, signatures, signing
from custdyn_widgets.snapshots.proof import command, layout
from custdyn_widgets.snapshots.proof.checking import shown
from custdyn_widgets.snapshots.proof.layout import zip_bytes
from tests.snapshots.signed import EVIDENCE, FILES, Signed, signed_snapshot

PROOF = Path(exporting.__file__).with_name("proof")
DOCS = Path(__file__).parents[2] / "docs" / "proof.md"
NAMES = ["manifest.json", "SIGNATURE.bin", "PUBLIC_KEY.pem", *sorted(FILES)]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed_snapshot(tmp_path_factory.mktemp("proof"))


def contents(data: bytes) -> dict[str, bytes]:
    """Return the files in a ZIP in their order, read by Python's own reader."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def verdict_of(folder: Path, data: bytes, *keys: str) -> tuple[int, list[str]]:
    path = folder / "x.zip"
    path.write_bytes(data)
    verdict = check_zip(path, keys)
    return verdict.exit_code, verdict.problems


def test_a_zip_has_the_manifest_every_file_and_the_signature(signed: Signed) -> None:
    found = contents(signed.zip)
    assert list(found) == NAMES
    assert {name: found[name] for name in FILES} == FILES
    assert found["PUBLIC_KEY.pem"] == pem(signed.key.public)
    manifest = json.loads(found["manifest.json"])
    assert manifest["id"] == signed.id
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()
    }
    with zipfile.ZipFile(io.BytesIO(signed.zip)) as file:
        assert file.testzip() is None
        assert {stat.filemode(info.external_attr >> 16) for info in file.infolist()} == {"-rw-r--r--"}


def test_a_zip_has_nothing_of_the_evidence(signed: Signed) -> None:
    """Whoever has the nonce could try amounts against the digest of the evidence until one fits."""
    kept = signed.store.manifest(signed.id)["evidence"]
    for secret in (EVIDENCE.nonce, kept["sha256"], "evidence", EVIDENCE.data.decode()):
        assert secret.encode() not in signed.zip


def test_the_same_snapshot_always_gives_the_same_zip(signed: Signed, tmp_path: Path) -> None:
    copy = tmp_path / "copied"
    shutil.copytree(signed.store.folder, copy)
    time.sleep(0.01)
    assert exporting.snapshot_zip(type(signed.store)(copy), signed.id) == signed.zip


def test_what_was_published_is_verified_with_its_key_only(signed: Signed, tmp_path: Path) -> None:
    assert verdict_of(tmp_path, signed.zip, signed.key.public) == (0, [])
    assert verdict_of(tmp_path, signed.zip, "00" * 32, signed.key.public) == (0, [])
    assert verdict_of(tmp_path, signed.zip) == (3, [])
    text = check_zip(tmp_path / "x.zip").text()
    assert "NOT PROVEN: every file matches the manifest, but this key came with the ZIP." in text
    text = check_zip(tmp_path / "x.zip", [signed.key.public]).text()
    assert "VERIFIED: every byte is as published and signed with the given key." in text
    for fact in (signed.id, "Last month", "2026-11-01T00:00:00Z"):
        assert fact in text


def test_an_unsigned_snapshot_proves_nothing(signed: Signed, tmp_path: Path) -> None:
    snapshot_id = signed.store.publish({}, FILES)
    data = exporting.snapshot_zip(signed.store, snapshot_id)
    assert list(contents(data)) == ["manifest.json", *sorted(FILES)]
    assert verdict_of(tmp_path, data) == (3, [])
    assert check_zip(tmp_path / "x.zip").text().splitlines() == [
        f"Snapshot:    {snapshot_id}",
        "NOT PROVEN: every file matches the manifest, but there is no signature. Ask the operator for a "
        "signed snapshot.",
    ]
    code, problems = verdict_of(tmp_path, data, signed.key.public)
    assert (code, problems) == (1, ["There is no signature, so the given key proves nothing."])
    text = check_zip(tmp_path / "x.zip", [signed.key.public]).text()
    assert text.endswith("\nNOT AS PUBLISHED: There is no signature, so the given key proves nothing.")


def test_after_a_change_of_keys_the_old_key_verifies_what_it_signed(signed: Signed, tmp_path: Path) -> None:
    new = signing.new_key(tmp_path / "new.pem", signed.store.folder)
    snapshot_id = signed.store.publish({}, FILES)
    signatures.sign(signed.store, snapshot_id, new)
    newer = exporting.snapshot_zip(signed.store, snapshot_id)
    assert verdict_of(tmp_path, signed.zip, signed.key.public)[0] == 0
    assert verdict_of(tmp_path, newer, new.public)[0] == 0
    code, [problem] = verdict_of(tmp_path, signed.zip, new.public)
    assert code == 1
    assert problem.startswith(f"The ZIP is signed with a key other than the given one: {signed.key.public}.")
    assert "use the operator's key from the time of signing" in problem
    assert verdict_of(tmp_path, newer, signed.key.public)[0] == 1
    both = b"".join(pem(one.key) for one in signatures.published_keys(signed.store.folder))
    (tmp_path / "keys.pem").write_bytes(both)
    keys = command.trusted_keys(str(tmp_path / "keys.pem"))
    assert verdict_of(tmp_path, signed.zip, *keys)[0] == verdict_of(tmp_path, newer, *keys)[0] == 0


# What an attacker does to the files of a ZIP that is otherwise as the exporter writes it, and the verdict.


def _changed_manifest(files: dict[str, bytes], _: Ed25519PrivateKey) -> dict[str, bytes]:
    return {**files, "manifest.json": files["manifest.json"].replace(b"Last month", b"Last weeks")}


def _changed_file_and_manifest(files: dict[str, bytes], _: Ed25519PrivateKey) -> dict[str, bytes]:
    old, new = files["report.csv"], b"Month\r\n2026-11\r\n"
    digests = [hashlib.sha256(data).hexdigest().encode() for data in (old, new)]
    return {**files, "report.csv": new, "manifest.json": files["manifest.json"].replace(*digests)}


def _signed_by_another(files: dict[str, bytes], other: Ed25519PrivateKey) -> dict[str, bytes]:
    files = _changed_file_and_manifest(files, other)
    key = pem(other.public_key().public_bytes_raw().hex())
    return {**files, "SIGNATURE.bin": other.sign(files["manifest.json"]), "PUBLIC_KEY.pem": key}


def _changed_key(files: dict[str, bytes], other: Ed25519PrivateKey) -> dict[str, bytes]:
    return {**files, "PUBLIC_KEY.pem": pem(other.public_key().public_bytes_raw().hex())}


def _without(name: str) -> Callable[[dict[str, bytes], Ed25519PrivateKey], dict[str, bytes]]:
    return lambda files, _: {key: data for key, data in files.items() if key != name}


def _with(name: str, data: bytes) -> Callable[[dict[str, bytes], Ed25519PrivateKey], dict[str, bytes]]:
    return lambda files, _: {**files, name: data}


ATTACKS = {
    "changed file": (
        _with("report.csv", b"Month\r\n2026-11\r\n"),
        "report.csv differs from what was published",
    ),
    "longer file": (_with("report.csv", b"x" * 99), "report.csv has 99 bytes instead of 16"),
    "emptied file": (_with("data.parquet", b""), "data.parquet has 0 bytes instead of 4"),
    "missing file": (_without("report.csv"), "report.csv is missing"),
    "extra file": (_with("report.xlsx", b"PK"), "report.xlsx is not listed in the manifest"),
    "extra manifest": (_with("manifest.json.old", b"{}"), "manifest.json.old is not listed in the manifest"),
    "evidence": (_with("evidence.parquet", b"x"), "evidence.parquet is not listed in the manifest"),
    "changed manifest": (
        _changed_manifest,
        "The signature does not match: the manifest, the signature or the key",
    ),
    "changed file and manifest": (_changed_file_and_manifest, "The signature does not match"),
    "signed by another": (_signed_by_another, "The ZIP is signed with a key other than the given one"),
    "changed key": (
        _changed_key,
        "PUBLIC_KEY.pem has been changed; the signature was made with the given key",
    ),
    "no signature": (_without("SIGNATURE.bin"), "SIGNATURE.bin or PUBLIC_KEY.pem is missing or damaged"),
    "no key": (_without("PUBLIC_KEY.pem"), "SIGNATURE.bin or PUBLIC_KEY.pem is missing or damaged"),
    "two keys": (_with("PUBLIC_KEY.pem", pem("11" * 32) * 2), "PUBLIC_KEY.pem is missing or damaged"),
    "long signature": (
        _with("SIGNATURE.bin", b"x" * 5000),
        "SIGNATURE.bin is 5,000 bytes long; at most",
    ),
    "no manifest": (_without("manifest.json"), "manifest.json is missing"),
    "empty manifest": (_with("manifest.json", b""), "manifest.json is not a snapshot's manifest"),
    "other JSON": (_with("manifest.json", b"[]"), "manifest.json is not a snapshot's manifest"),
    "deep JSON": (_with("manifest.json", b"[" * 200_000), "manifest.json is not a snapshot's manifest"),
    "repeated key": (_with("manifest.json", b'{"files":{},"files":{}}'), "is not a snapshot's manifest"),
    "newer format": (_with("manifest.json", b'{"format":2}'), "The ZIP was made by a newer version"),
    "path upward": (_with("../../etc/cron.d/x", b"x"), "../../etc/cron.d/x is not a valid file name"),
    "absolute path": (_with("/etc/passwd", b"x"), "/etc/passwd is not a valid file name"),
    "backslashes": (_with("..\\x", b"x"), "..\\x is not a valid file name"),
    "folder": (_with("a/", b""), "a/ is not a valid file name"),
    "drive": (_with("c:x", b"x"), "c:x is not a valid file name"),
    "capitals": (_with("REPORT.CSV", b"x"), "REPORT.CSV is not a valid file name"),
    "control characters": (_with("a\x1b[2Jb", b"x"), "a\ufffd[2Jb is not a valid file name"),
    "no name": (_with("", b"x"), " is not a valid file name"),
}


@pytest.mark.parametrize(("attack", "verdict"), ATTACKS.values(), ids=ATTACKS)
def test_every_change_of_a_file_has_its_verdict(
    signed: Signed,
    tmp_path: Path,
    attack: Callable[[dict[str, bytes], Ed25519PrivateKey], dict[str, bytes]],
    verdict: str,
) -> None:
    data = zip_bytes(attack(contents(signed.zip), Ed25519PrivateKey.generate()))
    code, problems = verdict_of(tmp_path, data, signed.key.public)
    assert code == 1
    assert any(verdict in problem for problem in problems), problems
    assert list(tmp_path.iterdir()) == [tmp_path / "x.zip"]


def _rezipped(data: bytes, method: int, **changes: object) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        for name, content in contents(data).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100644 << 16
            info.compress_type = method
            for attribute, value in changes.items():
                if name == "report.csv":
                    setattr(info, attribute, value)
            file.writestr(info, content)
    return target.getvalue()


def _doubled(data: bytes) -> bytes:
    target = io.BytesIO(data)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(target, "a") as file:
        file.writestr("report.csv", b"Month\r\n2026-11\r\n")
    return target.getvalue()


def _hidden_between(data: bytes) -> bytes:
    """Return the ZIP with bytes between its files and its directory, and the directory's end corrected."""
    start = data.index(b"PK\x01\x02")
    end = bytearray(data[start:])
    struct.pack_into("<I", end, len(end) - 6, start + 4)
    return data[:start] + b"evil" + bytes(end)


def test_a_zip_is_written_as_python_writes_files_without_compression(signed: Signed) -> None:
    assert _rezipped(signed.zip, zipfile.ZIP_STORED, date_time=(1980, 1, 1, 0, 0, 0)) == signed.zip


CONTAINERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "packed again": (
        lambda data: _rezipped(data, zipfile.ZIP_STORED, date_time=(2026, 11, 1, 0, 0, 0)),
        "the ZIP itself is not: it was repacked",
    ),
    "compressed": (lambda data: _rezipped(data, zipfile.ZIP_DEFLATED), "is compressed or encrypted"),
    "bzip2": (lambda data: _rezipped(data, zipfile.ZIP_BZIP2), "is compressed or encrypted"),
    "link": (
        lambda data: _rezipped(data, zipfile.ZIP_STORED, external_attr=0o120777 << 16),
        "report.csv is a symbolic link",
    ),
    "executable": (
        lambda data: _rezipped(data, zipfile.ZIP_STORED, external_attr=0o104755 << 16),
        "the ZIP itself is not",
    ),
    "comment of a file": (
        lambda data: _rezipped(data, zipfile.ZIP_STORED, comment=b"x"),
        "the ZIP itself is not",
    ),
    "extra field": (
        lambda data: _rezipped(data, zipfile.ZIP_STORED, extra=b"\x99\x99\x04\0evil"),
        "",
    ),
    "twice": (_doubled, "report.csv occurs twice"),
    "before": (lambda data: b"#!/bin/sh\n" + data, "The ZIP's directory is damaged, or bytes were added"),
    "after": (lambda data: data + b"evil", "is not a ZIP, is truncated, or has extra bytes at the end"),
    "between": (_hidden_between, "the ZIP itself is not"),
    "comment": (lambda data: data[:-2] + b"\x04\0evil", "has extra bytes at the end"),
    "other name in front": (lambda data: data.replace(b"report.csv", b"report.exe", 1), ""),
    "empty": (lambda _: b"", "is not a ZIP"),
    "empty ZIP": (lambda _: zip_bytes({}), "manifest.json is missing"),
    "text": (lambda _: b"PK\x05\x06" * 100, ""),
    "a page": (lambda _: b"<!doctype html>" * 100, "is not a ZIP"),
}


@pytest.mark.parametrize(("change", "verdict"), CONTAINERS.values(), ids=CONTAINERS)
def test_a_zip_that_is_not_byte_for_byte_the_exported_one_is_refused(
    signed: Signed, tmp_path: Path, change: Callable[[bytes], bytes], verdict: str
) -> None:
    code, problems = verdict_of(tmp_path, change(signed.zip), signed.key.public)
    assert code == 1
    assert any(verdict in problem for problem in problems), problems


def test_no_changed_byte_and_no_cut_is_overlooked(signed: Signed, tmp_path: Path, thorough: bool) -> None:
    step = 1 if thorough else 11
    for at in range(0, len(signed.zip), step):
        changed = bytearray(signed.zip)
        changed[at] ^= 1 << at % 8
        assert verdict_of(tmp_path, bytes(changed), signed.key.public)[0] == 1, at
    for at in range(0, len(signed.zip), 10 * step):
        assert verdict_of(tmp_path, signed.zip[:at], signed.key.public)[0] == 1, at


@settings(max_examples=50)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_a_verdict_and_never_an_exception(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert verdict_of(folder, data)[0] == 1
    assert verdict_of(folder, data + zip_bytes({"manifest.json": data})[-90:])[0] == 1


def test_a_bomb_needs_neither_time_nor_memory(signed: Signed, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    bombs: list[bytes | int] = [3 * 2**30]  # a sparse file
    with io.BytesIO() as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("manifest.json", bytes(30_000_000))
        bombs.append(target.getvalue())
    directory = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 65535, 65535, 10_000_000, 0, 0)
    bombs.append(bytes(10_000_000) + directory)
    entry = bytearray(signed.zip)  # claims that a file has almost 4 GB
    struct.pack_into("<II", entry, entry.index(b"PK\x01\x02") + 20, 2**32 - 9, 2**32 - 9)
    bombs.append(bytes(entry))
    for bomb in bombs:
        if isinstance(bomb, int):
            with path.open("wb") as sparse:
                sparse.truncate(bomb)
                sparse.seek(bomb - 22)
                sparse.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, 2**31, 2**30 - 22, 0))
        else:
            path.write_bytes(bomb)
        tracemalloc.start()
        began = time.perf_counter()
        assert check_zip(path, [signed.key.public]).exit_code == 1
        assert time.perf_counter() - began < 2
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()


def test_a_damaged_or_hidden_snapshot_is_not_exported(tmp_path: Path) -> None:
    signed = signed_snapshot(tmp_path)
    path = signed.store.place(signed.id) / "report.csv"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(SnapshotDamagedError):
        exporting.snapshot_zip(signed.store, signed.id)
    life.revoke(signed.store, signed.id)
    with pytest.raises(SnapshotNotFoundError):
        exporting.snapshot_zip(signed.store, signed.id)


# A machine that has nothing else.


def test_the_verifier_imports_only_the_standard_library_and_itself() -> None:
    for path in PROOF.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                inside = name.startswith("custdyn_widgets.snapshots.proof.")
                assert inside or name.partition(".")[0] in sys.stdlib_module_names, (path.name, name)


def test_the_verifier_is_one_file_that_runs_without_any_package(signed: Signed, tmp_path: Path) -> None:
    (tmp_path / "verify.pyz").write_bytes(exporting.standalone_verifier())
    (tmp_path / "x.zip").write_bytes(signed.zip)
    (tmp_path / "key.pem").write_bytes(pem(signed.key.public))

    def run(*arguments: str) -> tuple[int, str]:
        bare = [sys.executable, "-I", "-S", "verify.pyz", *arguments]  # -S: no installed packages
        done = subprocess.run(
            bare, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    for key in ("key.pem", signed.key.public):
        code, said = run("x.zip", "--key", key)
        assert code == 0, said
        assert "VERIFIED" in said
    assert run("x.zip")[0] == 3
    code, said = run("x.zip", "--key", signed.key.public, "--json")
    assert code == 0
    assert json.loads(said) == {
        "verdict": "verified", "id": signed.id, "signed_with": signed.key.public, "problems": [],
    }  # fmt: skip
    (tmp_path / "y.zip").write_bytes(signed.zip.replace(b"2026-10", b"2026-11"))
    assert run("y.zip", "--key", "key.pem")[0] == 1
    for arguments in (["none.zip"], ["x.zip", "--key", "none.pem"], ["x.zip", "--key", "x.zip"], []):
        code, said = run(*arguments)
        assert code == 2, said
        assert "Traceback" not in said


def test_the_commands_in_the_documentation_verify_by_hand(signed: Signed, tmp_path: Path) -> None:
    """They use only unzip, openssl, grep, sed and sha256sum, and fail for a changed file and manifest."""
    [by_hand] = re.findall(r"```sh\n(unzip .*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    script = "set -eu -o pipefail\n" + "".join(f"{line}\n" for line in by_hand.splitlines())

    def run(data: bytes) -> tuple[int, str]:
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        (tmp_path / "report.zip").write_bytes(data)
        (tmp_path / "operator.pem").write_bytes(pem(signed.key.public))
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, said = run(signed.zip)
    assert code == 0, said
    assert "Signature Verified Successfully" in said
    assert all(f"{name}: OK" in said for name in FILES)
    files, other = contents(signed.zip), Ed25519PrivateKey.generate()
    for attack in (_changed_manifest, _signed_by_another, _with("report.csv", b"x")):
        assert run(zip_bytes(attack(files, other)))[0] != 0


def test_no_text_in_a_manifest_adds_a_file_to_the_sums_of_the_documentation(signed: Signed) -> None:
    [pattern] = re.findall(r"grep -oE '([^']+)'", DOCS.read_text(encoding="utf-8"))
    evil = '"report.xlsx":{"sha256":"' + "0" * 64 + '","size":1}'
    snapshot_id = signed.store.publish({"query_words": evil, evil: {evil: evil}}, FILES)
    data = contents(exporting.snapshot_zip(signed.store, snapshot_id))["manifest.json"].decode()
    found = [match[0] for match in re.finditer(pattern, data)]
    assert [text.partition('"')[2].partition('"')[0] for text in found] == sorted(FILES)


# The parts of the check, at their limits.

ENTRY = {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
SMALL: dict[str, object] = {"id": "a" * 52, "format": 1, "files": {"a": ENTRY}}


def small(folder: Path, manifest: dict[str, object], **files: bytes) -> tuple[int, list[str]]:
    """Return the verdict on an unsigned ZIP with this manifest."""
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    return verdict_of(folder, zip_bytes({"manifest.json": data, **files}))


def test_a_small_manifest_is_one(tmp_path: Path) -> None:
    longest = {"files": {"x" * 100: ENTRY}}
    assert small(tmp_path, SMALL, a=b"") == (3, [])
    assert small(tmp_path, {**SMALL, **longest}, **{"x" * 100: b""}) == (3, [])
    assert small(tmp_path, {**SMALL, "files": {}, "format": True}) == (3, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": "a" * 51},
        {"files": None},
        {"files": ["a"]},
        *({"files": {name: ENTRY}} for name in ("A", "x" * 101, "a/b", "manifest.json", "SIGNATURE.bin", "")),
        *(
            {"files": {"a": wrong}}
            for wrong in (None, [], {"size": 0}, {**ENTRY, "size": "0"}, {**ENTRY, "sha256": 0})
        ),
    ],
    ids=str,
)
def test_a_manifest_with_one_wrong_value_is_none(tmp_path: Path, changes: dict[str, object]) -> None:
    code, problems = small(tmp_path, {**SMALL, **changes}, a=b"")
    assert (code, problems) == (1, ["manifest.json is not a snapshot's manifest."])


def test_only_a_whole_number_above_1_is_a_newer_format(tmp_path: Path) -> None:
    for newer in (2, 99):
        [problem] = small(tmp_path, {"format": newer})[1]
        assert problem.startswith("The ZIP was made by a newer version")
    for other in (1, 0, "2", 2.5, None):
        assert small(tmp_path, {"format": other})[1] == ["manifest.json is not a snapshot's manifest."]


def test_a_zip_has_as_many_files_and_bytes_as_a_snapshot_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"f{n}": b"" for n in range(4)}
    listed = {**SMALL, "files": dict.fromkeys(files, ENTRY)}
    refused = (1, ["The ZIP has more files or bytes than a snapshot can have."])
    monkeypatch.setattr(layout, "MAX_FILES", 5)
    assert small(tmp_path, listed, **files) == (3, [])
    length = (tmp_path / "x.zip").stat().st_size
    monkeypatch.setattr(layout, "MAX_BYTES", length)
    assert small(tmp_path, listed, **files) == (3, [])
    monkeypatch.setattr(layout, "MAX_BYTES", length - 1)
    assert small(tmp_path, listed, **files) == refused
    monkeypatch.undo()
    monkeypatch.setattr(layout, "MAX_FILES", 4)
    assert small(tmp_path, listed, **files) == refused


def test_a_file_is_read_in_pieces_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_CHUNK", 4)
    data = zip_bytes({"first": b"x", "second": b"0123456789"})
    entry = layout.read_directory(io.BytesIO(data))[1]
    assert list(layout.content(io.BytesIO(data), entry)) == [b"0123", b"4567", b"89"]
    assert b"".join(layout.content(io.BytesIO(data[:-130]), entry)) in b"0123456789"


def test_text_of_a_zip_is_shown_in_one_line_of_bounded_length() -> None:
    assert shown("a\nb\x1b[2Jc") == "a\ufffdb\ufffd[2Jc"
    assert shown("x" * 300) == "x" * 300
    assert shown("x" * 301) == "x" * 300 + "…"


def test_a_trusted_key_is_given_in_hexadecimal_or_as_a_file(tmp_path: Path) -> None:
    key = "0123456789abcdef" * 4
    (tmp_path / "key.pem").write_bytes(pem(key))
    assert command.trusted_keys(key.upper()) == command.trusted_keys(str(tmp_path / "key.pem")) == [key]
    with pytest.raises(ValueError, match=r"nor a readable file: No such file or directory$"):
        command.trusted_keys(str(tmp_path / "none"))


def test_the_command_prints_the_verdict_and_returns_its_code(
    signed: Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(signed.zip)
    assert command.main([str(path), "--key", signed.key.public]) == 0
    assert capsys.readouterr().out == check_zip(path, [signed.key.public]).text() + "\n"
    assert command.main([str(path), "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {
        "verdict": "not proven", "id": signed.id, "signed_with": signed.key.public, "problems": [],
    }  # fmt: skip
    path.write_bytes(b"")
    assert command.main([str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["id"], found["signed_with"]) == ("not as published", None, None)
    for wrong, said in (
        ([str(path), "--key", "none"], "--key 'none' is neither a key"),
        ([str(tmp_path / "none.zip")], "none.zip' cannot be read: No such file"),
    ):
        with pytest.raises(SystemExit) as exited:
            command.main(wrong)
        assert exited.value.code == 2
        assert said in capsys.readouterr().err
