"""`custdyn snapshots key|sign|export|verify`: from a new key to a ZIP that an outsider has verified."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets.cli import commands as cli
from custdyn_widgets.snapshots import Store, pem, signing
from tests.snapshots.test_store import FILES, MANIFEST


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("CUSTDYN_SIGNING_KEY", raising=False)
    return Store(tmp_path / "snapshots")


@pytest.fixture
def key(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> signing.SigningKey:
    monkeypatch.setenv("CUSTDYN_SIGNING_KEY", str(tmp_path / "key.pem"))
    return signing.new_key(tmp_path / "key.pem", store.folder)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["snapshots", *arguments])


def test_a_new_key_goes_to_the_data_folder_and_the_setting_is_printed(store: Store, tmp_path: Path) -> None:
    done = run("key", "new")
    path = tmp_path / "home" / ".local" / "share" / "custdyn" / "signing_key.pem"
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = signing.load_key(path, store.folder)
    assert done.stdout == pem(key.public).decode()
    assert f'signing_key = "{path}"' in done.stderr
    assert key.public in done.stderr
    assert "PRIVATE" not in done.output
    again = run("key", "new")
    assert again.exit_code == 1
    assert "exists and was not changed" in again.stderr


def test_a_key_may_be_written_elsewhere_and_the_setting_in_the_file_is_used(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("key", "new", "own.pem")
    path = Path.cwd() / "own.pem"
    assert f"Private key: {path}" in done.stderr
    Path("custdyn.toml").write_text('signing_key = "own.pem"\n')
    snapshot_id = store.publish(MANIFEST, FILES)
    signed = run("sign", snapshot_id)
    assert signed.exit_code == 0, signed.output
    assert "Signed with" in signed.stderr
    assert "Already signed with" in run("sign", snapshot_id).stderr
    monkeypatch.setenv("CUSTDYN_SIGNING_KEY", str(tmp_path / "none.pem"))  # the environment comes first
    assert "none.pem cannot be read" in run("sign", snapshot_id).stderr


def test_signing_without_a_key_says_how_to_make_one(store: Store) -> None:
    done = run("sign", store.publish(MANIFEST, FILES))
    assert done.exit_code == 1
    assert "`custdyn snapshots key new` makes one" in done.stderr


def test_the_keys_of_a_store_are_shown(store: Store, key: signing.SigningKey) -> None:
    assert f"{key.public}, not used yet:" in run("key", "show").stderr
    run("sign", store.publish(MANIFEST, FILES))
    done = run("key", "show")
    assert done.stdout == pem(key.public).decode()
    assert f"{key.public}, in use since" in done.stderr
    shown = json.loads(run("key", "show", "--json").stdout)
    assert shown["current"] == shown["used"][0]["key"] == key.public


def test_no_key_is_shown_if_there_is_none(store: Store) -> None:
    done = run("key", "show")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No snapshot is signed" in done.stderr
    assert json.loads(run("key", "show", "--json").stdout) == {"current": None, "used": []}


def test_an_exported_snapshot_is_verified_without_the_store(
    store: Store, key: signing.SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish({**MANIFEST, "query_words": "evil \x1b[2J words"}, FILES)
    run("sign", snapshot_id)
    exported = run("export", f"https://reports.example/view?id={snapshot_id}", "x.zip")
    assert exported.exit_code == 0, exported.output
    assert f"Wrote x.zip ({Path('x.zip').stat().st_size:,} bytes)." in exported.stderr
    Path("key.pem").write_bytes(pem(key.public))
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "none"))
    monkeypatch.setenv("CUSTDYN_CONFIG", str(tmp_path / "none.toml"))  # settings are not needed either
    for given in (key.public, "key.pem"):
        done = run("verify", "x.zip", "--key", given)
        assert done.exit_code == 0, done.output
        assert "VERIFIED: every byte is as published" in done.stdout
        assert "\x1b" not in done.stdout
    assert run("verify", "x.zip").exit_code == 3
    done = run("verify", "x.zip", "--key", "11" * 32, "--json")
    assert done.exit_code == 1
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["id"]) == ("not as published", snapshot_id)
    assert "a key other than the given one" in verdict["problems"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x.zip", "y.zip"], "Give one FILE.zip and nothing else."),
        (["x.zip", "a" * 52], "Give one FILE.zip and nothing else."),
        (["x.zip", "--all"], "Give one FILE.zip and nothing else."),
        (["--key", "11" * 32], "--key is only for a FILE.zip"),
        (["x.zip", "--key", "none.pem"], "is neither a key (64 hexadecimal digits) nor a readable file"),
        (["x.zip", "--key", "x.zip"], "is not a text file with public keys"),
        (["x.zip", "--key", "11" * 31], "is neither a key"),
    ],
)
def test_wrong_use_of_verify_exits_with_2(
    store: Store, key: signing.SigningKey, arguments: list[str], words: str
) -> None:
    run("export", store.publish(MANIFEST, FILES), "x.zip")
    done = run("verify", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_missing_zip_is_an_error(store: Store) -> None:
    done = run("verify", "none.zip")
    assert done.exit_code == 2
    assert "none.zip cannot be read: No such file or directory." in done.stderr


def test_verify_finds_a_changed_signature_in_the_store(store: Store, key: signing.SigningKey) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    run("sign", snapshot_id)
    assert run("verify").exit_code == 0
    path = store.folder / "signatures" / snapshot_id[:2] / f"{snapshot_id}.json"
    path.write_bytes(path.read_bytes().replace(b'"signature":"', b'"signature":"00')[:-4] + b'"}')
    for arguments in ([], [snapshot_id]):
        done = run("verify", *arguments)
        assert done.exit_code == 1
        assert f"{snapshot_id}  its signature does not match its manifest" in done.stdout


def test_a_snapshot_signed_by_another_key_is_replaced_on_request(
    store: Store, key: signing.SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    run("sign", snapshot_id)
    signing.new_key(tmp_path / "new.pem", store.folder)
    monkeypatch.setenv("CUSTDYN_SIGNING_KEY", str(tmp_path / "new.pem"))
    refused = run("sign", snapshot_id, "not-an-id")
    assert refused.exit_code == 1
    assert "already signed with another key" in refused.stderr
    assert run("sign", "--replace", snapshot_id).exit_code == 0


def test_the_verifier_is_written_to_a_file(store: Store) -> None:
    done = run("verifier", "v.pyz")
    assert done.exit_code == 0
    assert "python3 v.pyz FILE.zip --key KEY" in done.stderr
    assert Path("v.pyz").read_bytes()[:2] == b"PK"
