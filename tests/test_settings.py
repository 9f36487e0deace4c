"""Settings: the environment before the nearest file before defaults, read when they are needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError
from tests.passwords import ELSEWHERE, IN_URLS, PASSWORD

ID = "a" * 52


def written(folder: Path, text: str) -> Path:
    file = folder / "custdyn.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, 'snapshots = "store"\ncache = "made"\nrole = "the file\'s"\n')
    found = settings.load({"CUSTDYN_CACHE": str(tmp_path / "own"), "HOME": "/nowhere"}, tmp_path)
    assert found.config == file
    assert found.snapshots == tmp_path / "store"
    assert found.cache == tmp_path / "own"
    assert found.role == "the file's"
    assert found.queries.name == "queries"
    assert not found.queries.is_relative_to(tmp_path)
    assert settings.load({"CUSTDYN_ROLE": "auditor"}, tmp_path).role == "auditor"


def test_the_nearest_file_upward_counts_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    written(tmp_path, 'snapshots = "far"')
    assert settings.load({}, inner).snapshots == tmp_path / "far"
    written(tmp_path / "a", 'snapshots = "near"')
    assert settings.load({}, inner).snapshots == tmp_path / "a" / "near"


def test_ones_own_saved_queries_stand_apart_from_the_shared_ones(tmp_path: Path) -> None:
    written(tmp_path, 'queries = "ours"\n')
    found = settings.load({"CUSTDYN_MY_QUERIES": str(tmp_path / "own")}, tmp_path)
    assert (found.queries, found.my_queries) == (tmp_path / "ours", tmp_path / "own")
    default = settings.load({}, tmp_path).my_queries
    assert default is not None
    assert default.name == "my_queries"
    assert not default.is_relative_to(tmp_path)
    written(tmp_path, 'my_queries = "m"\n')
    assert settings.load({}, tmp_path).my_queries == tmp_path / "m"


def test_a_file_named_in_the_environment_counts_and_no_other(tmp_path: Path) -> None:
    written(tmp_path, 'role = "nearest"')
    named = tmp_path / "other.toml"
    named.write_text('role = "named"')
    assert settings.load({"CUSTDYN_CONFIG": str(named)}, tmp_path).role == "named"


def test_without_a_file_everything_stands_in_the_users_own_folders(tmp_path: Path) -> None:
    found = settings.load({}, tmp_path)
    assert (found.config, found.share_url, found.role) == (None, None, "analyst")
    assert found.my_queries is not None
    assert found.my_queries != found.queries
    for path in (found.snapshots, found.queries, found.my_queries, found.cache):
        assert path.is_absolute()
        assert "custdyn" in path.parts
        assert not path.is_relative_to(tmp_path)


def test_the_signing_key_is_none_unless_it_is_set(tmp_path: Path) -> None:
    assert settings.load({}, tmp_path).signing_key is None
    written(tmp_path, 'signing_key = "keys/own.pem"\n')
    assert settings.load({}, tmp_path).signing_key == tmp_path / "keys" / "own.pem"
    given = {"CUSTDYN_SIGNING_KEY": "/other.pem"}
    assert settings.load(given, tmp_path).signing_key == Path("/other.pem")
    with pytest.raises(SettingsError, match="CUSTDYN_SIGNING_KEY must be a path on this machine"):
        settings.load({"CUSTDYN_SIGNING_KEY": "https://h/key.pem"}, tmp_path)


PATHS = ("snapshots", "queries", "my_queries", "runs", "cache", "sources", "marts", "signing_key")


@pytest.mark.parametrize("value", ["mysql://u:s3cret s3cret@h", "S3:/u:s3cret@h", " mysql://u:s3cret"])
def test_an_address_in_place_of_a_path_is_rejected_and_not_shown(value: str, tmp_path: Path) -> None:
    for name in (*PATHS, "config"):
        with pytest.raises(SettingsError, match="must be a path on this machine, not a URL") as refused:
            settings.load({f"CUSTDYN_{name.upper()}": value}, tmp_path)
        assert "s3cret" not in str(refused.value)
    for name in PATHS:
        written(tmp_path, f"{name} = {value!r}\n")
        with pytest.raises(SettingsError, match="must be a path on this machine, not a URL") as refused:
            settings.load({}, tmp_path)
        assert "s3cret" not in str(refused.value)
    (tmp_path / "custdyn.toml").unlink()


@pytest.mark.parametrize("name", ["share_url", "viewer_url", "pdf", "paper", "evidence", "extensions"])
@pytest.mark.parametrize("value", [*IN_URLS, *ELSEWHERE])
def test_no_message_about_a_setting_shows_a_password(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.load({f"CUSTDYN_{name.upper()}": value}, tmp_path)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "/home/ana@corp/a.py:/home/ana@corp/b.py:/home/ana@corp/c.py",
        "/opt/a.py:/b.py:pkg.c",
        "pkg.c:/home/ana@corp/a.py",
    ],
)
def test_paths_of_extensions_are_not_passwords(value: str, tmp_path: Path) -> None:
    assert settings.load({"CUSTDYN_EXTENSIONS": value}, tmp_path).extensions == tuple(value.split(":"))


def test_what_is_handed_to_another_process_gives_the_same_settings_there(tmp_path: Path) -> None:
    written(
        tmp_path,
        'snapshots = "s"\nqueries = "q"\nmy_queries = "m"\ncache = "c"\nrole = "r"\nshare_url = "https://h/x"\n'
        'pdf = "on"\npaper = "letter"\nsigning_key = "k.pem"\n'
        'extensions = ["own.py", "package.module"]\nevidence = "off"\n',
    )
    here = settings.load({}, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written(elsewhere, 'snapshots = "another"\nrole = "another"\n')
    assert here.extensions == (str(tmp_path / "own.py"), "package.module")
    assert settings.load(here.environment(), elsewhere) == here
    given = settings.load({"CUSTDYN_EXTENSIONS": "package.other"}, tmp_path)
    assert settings.load(given.environment(), elsewhere).extensions == ("package.other",)


def test_settings_that_are_made_without_a_file_have_its_defaults(tmp_path: Path) -> None:
    made = settings.Settings(tmp_path / "s", tmp_path / "q", tmp_path / "c")
    loaded = settings.load({}, tmp_path)
    for name in ("role", "evidence", "pdf", "paper", "extensions", "share_url", "signing_key"):
        assert getattr(made, name) == getattr(loaded, name)
    assert settings.load(made.environment(), tmp_path).evidence is True


def test_a_webhook_is_not_shown_with_the_settings(tmp_path: Path) -> None:
    found = settings.load({"CUSTDYN_WEBHOOK_URL": "https://hooks.example/seashore"}, tmp_path)
    assert found.webhook_url == "https://hooks.example/seashore"
    assert "seashore" not in repr(found)


def test_a_new_signing_key_goes_to_the_users_own_folder(tmp_path: Path) -> None:
    key = settings.default_signing_key()
    assert key.name == "signing_key.pem"
    assert key.parent == settings.load({}, tmp_path).snapshots.parent


@pytest.mark.parametrize("given", ["https://reports.example.com/base", "https://reports.example.com/base/"])
def test_links_lead_to_the_share_url_or_to_the_local_viewer(tmp_path: Path, given: str) -> None:
    shared = settings.load({"CUSTDYN_SHARE_URL": given}, tmp_path)
    assert shared.link(ID) == f"https://reports.example.com/base/view?id={ID}"
    assert settings.load({}, tmp_path).link(ID) == f"http://127.0.0.1:8899/view?id={ID}"


def test_a_jupyter_server_tells_where_its_own_viewer_is_and_the_share_url_goes_before_it(
    tmp_path: Path,
) -> None:
    lab = {"CUSTDYN_VIEWER_URL": "http://localhost:8888/user/x/"}
    here = settings.load(lab, tmp_path)
    assert here.link(ID) == f"http://localhost:8888/user/x/view?id={ID}"
    assert settings.load(here.environment(), tmp_path) == here
    shared = settings.load({**lab, "CUSTDYN_SHARE_URL": "https://reports.example"}, tmp_path)
    assert shared.link(ID) == f"https://reports.example/view?id={ID}"
    with pytest.raises(SettingsError, match="CUSTDYN_VIEWER_URL must start with http:// or https://"):
        settings.load({"CUSTDYN_VIEWER_URL": "javascript:alert(1)"}, tmp_path)
    written(tmp_path, 'viewer_url = "http://localhost:8888"')
    with pytest.raises(SettingsError, match="unknown key 'viewer_url'"):
        settings.load({}, tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "https:///x", "https://[::1", "https://a:b", "https://a:99999", "https://re ports", "https://a/?x=1",
        "https://a/#x", "https://anna:secret-word@reports.example", "https://a/x\ny", "https://a?", "https://a/\u202ex",
    ],
)  # fmt: skip
def test_links_begin_with_a_whole_address_and_the_error_repeats_no_password(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(
        SettingsError, match=r"CUSTDYN_SHARE_URL .*such as https://reports\.example"
    ) as caught:
        settings.load({"CUSTDYN_SHARE_URL": address}, tmp_path)
    assert "secret-word" not in caught.value.message


@pytest.mark.parametrize(
    "address",
    ["https://reports.example", "http://[::1]:8899", "https://hub.example:444/user/a@b/~x%20y", "http://h"],
)
def test_addresses_of_all_kinds_lead_somewhere(tmp_path: Path, address: str) -> None:
    in_force = settings.load({"CUSTDYN_SHARE_URL": f"{address}/"}, tmp_path)
    assert in_force.link(ID) == f"{address}/view?id={ID}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("snapshots = ", "custdyn.toml is not valid TOML"),
        ("\x00", "custdyn.toml is not valid TOML"),
        ('snapshot = "x"', "unknown key 'snapshot'. Did you mean 'snapshots'?"),
        ("colour = 1", "unknown key 'colour'. Known keys: snapshots, queries, cache"),
        ("role = 1", "role must be text, not 1"),
        ('pdf = "yes"', 'pdf must be "off" or "on", not \'yes\''),
        ('paper = "a4"', 'paper must be "A4" or "letter", not \'a4\''),
        ('evidence = "no"', 'evidence must be "on" or "off", not \'no\''),
        ('share_url = "javascript:alert(1)"', "must start with http:// or https://"),
        ('extensions = "own.py"', "custdyn.toml: extensions must be a list of strings"),
        ("extensions = [1]", "custdyn.toml: extensions must be a list of strings"),
        ('extensions = ["a:b.py"]', "must be the path of a .py file (without ':')"),
        ('extensions = ["good.module", "not-a.module"]', "not 'not-a.module'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        settings.load({}, tmp_path)
    assert words in caught.value.message


def test_extensions_are_modules_or_files_beside_the_settings(tmp_path: Path) -> None:
    written(tmp_path, 'extensions = ["own/metrics.py", "installed.module"]')
    own = str(tmp_path / "own" / "metrics.py")
    assert settings.load({}, tmp_path).extensions == (own, "installed.module")
    given = settings.load({"CUSTDYN_EXTENSIONS": "other.module::here.py"}, tmp_path)
    assert given.extensions == ("other.module", str(Path.cwd() / "here.py"))
    with pytest.raises(SettingsError, match="CUSTDYN_EXTENSIONS: an extension must be"):
        settings.load({"CUSTDYN_EXTENSIONS": "not-a.module"}, tmp_path)


def test_a_file_that_is_not_utf8_or_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "custdyn.toml").write_bytes(b'role = "\xff"')
    with pytest.raises(SettingsError, match=r"custdyn\.toml is not valid TOML"):
        settings.load({}, tmp_path)

    class Unreadable(type(tmp_path)):  # type: ignore[misc]  # the superuser may read every real file
        def read_text(self, *_: object, **__: object) -> str:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(SettingsError, match=r"custdyn\.toml cannot be read: Permission denied"):
        settings.load({}, Unreadable(tmp_path))


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="which is not a file") as caught:
        settings.load({"CUSTDYN_CONFIG": str(tmp_path / "none.toml")}, tmp_path)
    assert caught.value.field == "CUSTDYN_CONFIG"


def test_a_base_url_with_another_scheme_is_rejected_without_its_password() -> None:
    with pytest.raises(SettingsError, match="must start with http") as caught:
        settings.load({"CUSTDYN_SHARE_URL": "ftp://anna:seashore@host/x"})
    assert "seashore" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("s3://bucket/store", "not a URL"),
        ("mysql://anna:seashore@host/x", "not a URL"),
        ("", "not blank"),
        (" ", "not blank"),
        ("~no-such-user/x", "the home folder"),
    ],
)
@pytest.mark.parametrize("name", ["snapshots", "runs", "cache", "queries", "sources"])
def test_a_path_that_cannot_be_one_is_rejected_instead_of_created(
    tmp_path: Path, name: str, path: str, what: str
) -> None:
    """Snapshots were stored in a folder `s3:`, and, with an empty path, in the project itself."""
    (tmp_path / "custdyn.toml").write_text(f'{name} = "{path}"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=f"custdyn.toml: {name} .*{what}") as caught:
        settings.load({}, tmp_path)
    assert "seashore" not in str(caught.value)
    if path:
        with pytest.raises(SettingsError, match=f"CUSTDYN_{name.upper()} .*{what}"):
            settings.load({f"CUSTDYN_{name.upper()}": path}, tmp_path.parent)


def test_the_home_of_an_unknown_user_is_an_error_for_every_path(tmp_path: Path) -> None:
    place, extension = "~no-such-user/x", "~no-such-user/x.py"
    for variable, value in (("CUSTDYN_CONFIG", place), ("CUSTDYN_EXTENSIONS", extension)):
        with pytest.raises(
            SettingsError, match=f"{variable} names .*home folder that ~ stands for is unknown"
        ) as caught:
            settings.load({variable: value}, tmp_path)
        assert caught.value.field == variable
    (tmp_path / "custdyn.toml").write_text(f'extensions = ["{extension}"]\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"extensions names .*home folder"):
        settings.load({}, tmp_path)


def test_without_platformdirs_only_the_store_has_no_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(SettingsError, match="CUSTDYN_SNAPSHOTS is not set"):
        settings.load({}, tmp_path)
    found = settings.load({"CUSTDYN_SNAPSHOTS": str(tmp_path)}, tmp_path)
    assert found.snapshots == tmp_path
    assert not found.cache.exists()
