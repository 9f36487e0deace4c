"""`sources.toml` gives names to sources and says what happens to their faults; it holds no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import Dialect, Source, settings
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import MartError, SettingsError, SourceError
from custdyn_widgets.mart import sources
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.reading.fingerprint import stamp
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import absolute_source, named_sources, resolve_source
from tests.mart.test_mart import EVERYONE, changed, folder, frames
from tests.passwords import ELSEWHERE, IN_URLS, PASSWORD

BAD = changed("transactions", "-2.25", "two")
ASKED = ("--interval", "2021-01-01/2021-03-31", "--as-of", "2021-04-01")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder with its own sources.toml."""
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
    monkeypatch.delenv("CUSTDYN_CONFIG", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def write(tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.toml").write_text(text, encoding="utf-8")


def custdyn(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in args])
    assert "Traceback" not in result.output
    return result


def refused(tmp_path: Path, text: str) -> str:
    write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        named_sources()
    return caught.value.message


def test_a_name_stands_for_a_path_beside_the_file(tmp_path: Path) -> None:
    folder(tmp_path / "exports")
    write(tmp_path, '[shop]\npath = "exports"\n')
    report = run_report(EVERYONE, "shop", as_of="2021-04-01")
    assert report.info.source == "shop"
    assert report.rows == run_report(EVERYONE, tmp_path / "exports", as_of="2021-04-01").rows


def test_a_name_takes_precedence_over_a_folder(tmp_path: Path) -> None:
    mart = folder(tmp_path / "exports")
    folder(tmp_path / "work" / "shop", **BAD)
    write(tmp_path, '[shop]\npath = "exports"\n')
    assert resolve_source("shop").data == mart
    with pytest.raises(MartError):
        run_report(EVERYONE, "./shop")
    with pytest.raises(MartError):
        run_report(EVERYONE, Path("shop"))


def test_without_the_file_only_paths_work() -> None:
    assert named_sources() == {}
    with pytest.raises(SourceError, match="Source 'shop' is not a folder that exists"):
        run_report(EVERYONE, "shop")


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, '[shop]\npath = "exports"\n')
    with pytest.raises(
        SourceError, match=r"'shpo' is not .* nor a name in sources\.toml \(did you mean 'shop'\?\)"
    ):
        run_report(EVERYONE, "shpo")


def test_an_absolute_source_is_a_name_or_an_absolute_path(tmp_path: Path) -> None:
    mart = folder(tmp_path / "work" / "mart")
    write(tmp_path, '[shop]\npath = "work/mart"\n[gone]\npath = "nowhere"\n')
    assert absolute_source("shop") == "shop"
    assert absolute_source("mart") == str(mart)
    with pytest.raises(SourceError, match="is not a folder that exists"):
        absolute_source("gone")


def test_a_source_with_a_mapping_is_absolute_by_its_name(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "people.csv").write_text("id\na\n")
    (exports / "moves.csv").write_text("id,who,day,amount\n1,a,2021-02-01,5\n")
    (tmp_path / "mine.sql").write_text(
        "-- :name clients\nSELECT id AS client_id, 'client' AS client_type, 'USD' AS currency, "
        "'2021-01-01' AS created_at FROM people\n"
        "-- :name transactions\nSELECT id AS transaction_id, who AS client_id, day AS at, 'refill' AS kind, "
        "number(amount) AS amount FROM moves\n"
    )
    write(tmp_path, '[shop]\npath = "exports"\nmapping = "mine.sql"\n')
    assert absolute_source("shop") == "shop"


def test_the_setting_is_handed_to_kernels_and_read_from_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.load().environment()["CUSTDYN_SOURCES"] == str(tmp_path / "sources.toml")
    monkeypatch.delenv("CUSTDYN_SOURCES")
    (tmp_path / "custdyn.toml").write_text('sources = "my.toml"\n')
    assert settings.load().sources == tmp_path / "my.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[shop]\npath = "x"\non_fautl = "refuse"\n',
         "'shop' has an unknown key 'on_fautl'. Did you mean 'on_fault'?"),
        ('[shop]\npath = "x"\nzone = "UTC"\n', "'shop' has an unknown key 'zone'. Did you mean 'timezone'?"),
        ('[shop]\npath = "x"\ncolour = "red"\n',
         "'shop' has an unknown key 'colour'. Known keys: path, url, endpoint, region, mapping, system, "
         "delimiter, decimal, encoding, dates, timezone, on_fault."),
        ('[shop]\npath = "x"\non_fault = "drop"\n',
         "'shop': on_fault must be 'refuse' or 'quarantine', not 'drop'."),
        ('[shop]\non_fault = "refuse"\n', "'shop' has neither a path nor a url. Give one of them."),
        ('[shop]\npath = "x"\nurl = "postgresql://db/crm"\n',
         "'shop' has both path and url. Give only one of them."),
        ('[shop]\npath = "x"\nmapping = "m.sql"\nsystem = "astpp"\n',
         "'shop' has both mapping and system. Give only one of them."),
        ('[shop]\npath = "x"\nsystem = "../astpp"\n',
         "'shop': system must be the name of a shipped mapping, such as 'astpp', not '../astpp'."),
        ('[shop]\nurl = "db/crm"\n', "'shop': url must be the URL of a database, such as"),
        ('[shop]\npath = "x"\ndelimiter = ";;"\n', "'shop': delimiter must be one ASCII character"),
        ('[shop]\npath = "x"\ndecimal = "comma"\n', "'shop': decimal must be '.' or ',', not 'comma'."),
        ('[shop]\npath = "x"\nencoding = "cp125"\n',
         "'shop': encoding must be an encoding that Python supports, such as 'cp1252', not 'cp125'."),
        ('[shop]\npath = "x"\nencoding = "base64"\n', "'shop': encoding must be an encoding that Python"),
        ('[shop]\npath = "x"\ndates = "dmy"\n',
         "'shop': dates must be 'DMY' (31/12/2021), 'MDY' (12/31/2021) or 'YMD' (2021/12/31), not 'dmy'."),
        ('[shop]\npath = "x"\ntimezone = "Kyiv"\n',
         "'shop': timezone must be an IANA time zone, such as 'Europe/Kyiv', not 'Kyiv'; did you mean "
         "'Europe/Kyiv'?"),
        ('[shop]\npath = "x"\ntimezone = "0"\n', "such as 'Europe/Kyiv', not '0'."),
        *((f'[shop]\npath = "x"\ndelimiter = "{mark}"\n', "'shop': delimiter must be one ASCII character")
          for mark in ("", "a", "7", " ", "\\n", "\\u0000", "\\\"", "é", "→")),
        ('[shop]\npath = "x"\nmapping = "~nobody-here/m.sql"\n',
         "'shop': mapping '~nobody-here/m.sql' is not valid."),
        ("[shop]\npath = 5\n", "'shop': path must be text."),
        ('path = "x"\n', "'path': move it into the [name] section of a source."),
        ('["a/b"]\npath = "x"\n',
         "'a/b': source names may contain only letters, digits, dots, hyphens and underscores."),
        ("[shop\n", "sources.toml is not valid TOML"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_an_error_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, text)


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"', 'PASSWORD = "hunter2"', 'db_password = "hunter2"', 'pwd = "hunter2"',
        'passwd = "hunter2"', 'secret = "hunter2"', 'token = "hunter2"', 'api-key = "hunter2"',
        'url = "postgresql://me:hunter2@db/shop"', 'path = "postgresql://me:hunter2@db/shop"',
        'url = "https://db/shop?password=hunter2"', 'path = "Server=db;Pwd=hunter2"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("section", ["", "[shop]\n"], ids=["top", "section"])
def test_a_secret_is_refused_and_not_repeated(tmp_path: Path, section: str, line: str) -> None:
    message = refused(tmp_path, section + line)
    assert "contains a secret" in message
    assert "hunter2" not in message


def test_a_section_gives_the_dialect_and_the_mapping(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[shop]\npath = "exports"\nmapping = "maps/shop.sql"\ndelimiter = "\\t"\ndecimal = ","\n'
        'encoding = "cp1251"\ndates = "DMY"\ntimezone = "Europe/Kyiv"\n',
    )
    shop = named_sources()["shop"]
    assert shop.dialect == Dialect("\t", ",", "cp1251", "DMY", "Europe/Kyiv")
    assert shop.mapping == tmp_path / "maps" / "shop.sql"
    assert (shop.url, shop.system) == (None, None)


def test_a_database_without_a_mapping_has_the_generic_system(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[one]\nurl = "postgresql://reader@db/crm?sslmode=verify-full&sslkey=me.key"\n'
        '[two]\nurl = "mysql://db/crm"\nsystem = "astpp"\n'
        '[three]\nurl = "mysql://db/crm"\nmapping = "m.sql"\n',
    )
    assert [s.system for s in named_sources().values()] == ["generic", "astpp", None]
    with pytest.raises(SourceError, match="Source 'one' is a database"):
        run_report(EVERYONE, "one")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@db/crm", "mysql://me:hun/ter2@db/crm", "postgresql://me:hunter2@x@db/crm",
        "postgresql://db/crm?user=me&password=hunter2", "mysql://db/crm?ssl_passphrase=hunter2",
        "postgresql://db/crm?pass%77ord=hunter2", " mysql://me:hunter2@db/crm",
    ],
)  # fmt: skip
def test_the_url_of_a_database_with_a_password_is_refused_and_masked(tmp_path: Path, url: str) -> None:
    message = refused(tmp_path, f'[shop]\nurl = "{url}"\n')
    assert "contains a secret" in message
    with pytest.raises(SourceError, match="contains a secret") as caught:
        Source(url=url)
    for words in (message, str(caught.value)):
        assert "hun" not in words
        assert "ter2" not in words


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"data": "x", "url": "mysql://db/crm"}, "url"),
        ({"data": "x", "mapping": Path("m.sql"), "system": "astpp"}, "system"),
        ({"data": "x", "dialect": {"decimal": ","}}, "dialect"),
        ({"data": "x", "endpoint": "https://minio:9000"}, "endpoint"),
        ({"data": "x", "region": "eu-central-1"}, "region"),
    ],
)
def test_a_source_given_in_python_is_validated(given: dict[str, Any], field: str) -> None:
    with pytest.raises(SourceError) as caught:
        Source(**given)
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["delimiter", "decimal", "encoding", "dates", "timezone"])
def test_every_field_of_a_dialect_must_be_text(name: str) -> None:
    with pytest.raises(SourceError, match=f"{name} must be text, not 5") as caught:
        Dialect(**{name: 5})  # type: ignore[arg-type]
    assert caught.value.field == name


def test_sources_with_different_dialects_are_cached_separately(tmp_path: Path) -> None:
    mart = folder(tmp_path / "exports")
    found = stamp(mart)
    dialects = [Dialect(), Dialect(timezone="Europe/Kyiv"), Dialect(decimal=","), Dialect(delimiter=",")]
    sources = [*(Source(mart, dialect=dialect) for dialect in dialects), Source(mart, system="generic")]
    assert len({source.cache_key(found.fingerprint) for source in sources}) == 5


def test_the_rules_of_time_zones_count_only_where_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    zones = (None, "UTC", "Europe/Kyiv")
    given = [Source("x", dialect=Dialect(timezone=zone)) for zone in zones]
    before = [source.cache_key("f") for source in given]
    monkeypatch.setattr(sources, "time_zone_data", lambda: "another version")
    after = [source.cache_key("f") for source in given]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False]


def test_a_folder_may_be_named_like_the_demo(tmp_path: Path) -> None:
    folder(tmp_path / "work" / "demo")
    assert resolve_source("demo").data == Path("demo")
    assert open_mart("demo").facts.client_count < 10


def test_a_source_in_python_has_a_name_and_a_path_from_the_working_folder(tmp_path: Path) -> None:
    folder(tmp_path / "work" / "mart")
    assert open_mart(Source("mart", name="shop")).name == "shop"
    write(tmp_path, '[shop]\npath = "exports"\n')
    with pytest.raises(SourceError, match="'shpo'"):
        open_mart(Path("shpo"))


# Quarantine, by name and from the command line


def test_a_named_source_sets_its_fault_rule(tmp_path: Path) -> None:
    folder(tmp_path / "exports", **BAD)
    write(tmp_path, '[strict]\npath = "exports"\n[shop]\npath = "exports"\non_fault = "quarantine"\n')
    [warning] = run_report(EVERYONE, "shop", as_of="2021-04-01").info.warnings
    assert warning.startswith("1 faulty row is left out (1 in transactions).")
    with pytest.raises(MartError, match="Source 'strict' has 1 fault"):
        run_report(EVERYONE, "strict")


def test_frames_can_be_given_a_rule_and_a_name() -> None:
    source = frames(
        rates=pd.DataFrame({"currency": ["x"], "date": "2021-01-01", "units_per_base": "1", "base": "USD"})
    )
    report = run_report(EVERYONE, Source(source, "quarantine", "shop"), as_of="2021-04-01")
    assert report.info.source == "shop"
    assert report.info.warnings == ("1 faulty row is left out (1 in rates).",)


def test_query_and_check_say_what_is_left_out_and_where_it_is_listed(tmp_path: Path) -> None:
    folder(tmp_path / "exports", **BAD)
    write(tmp_path, '[shop]\npath = "exports"\non_fault = "quarantine"\n')
    asked, again, checked = (custdyn(*c) for c in [("query", "-s", "shop", *ASKED)] * 2 + [("check", "shop")])
    assert (asked.exit_code, again.exit_code, checked.exit_code) == (0, 0, 1)
    places = {place(result) for result in (asked, again, checked)}
    [one] = places
    assert one.parent == tmp_path / "cache" / "quarantine"
    assert one.name.startswith("shop-")
    assert "transactions.csv,3,amount,two,is not a plain decimal number" in one.read_text(encoding="utf-8")
    assert "Note: 1 faulty row is left out (1 in transactions)." in asked.stderr
    assert "Note: 1 faulty row is left out (1 in transactions)." in checked.stdout
    assert checked.stdout.startswith("transactions.csv, amount: is not a plain decimal number (1 fault)\n")


def place(result: Result) -> Path:
    [line] = [
        line for line in result.stderr.splitlines() if line.startswith("The rows left out are listed in ")
    ]
    return Path(line.removeprefix("The rows left out are listed in "))


def test_check_of_a_faultless_quarantined_source_mentions_no_faults(tmp_path: Path) -> None:
    folder(tmp_path / "exports")
    write(tmp_path, '[shop]\npath = "exports"\non_fault = "quarantine"\n')
    result = custdyn("check", "shop")
    assert result.exit_code == 0
    assert "left out" not in result.output


@pytest.mark.parametrize("given", [5, None, b"/", Source(5), Source(None)])  # type: ignore[arg-type]
def test_an_invalid_source_is_an_error(given: Any) -> None:
    with pytest.raises(SourceError):
        run_report(EVERYONE, given)


@pytest.mark.parametrize(
    ("given", "scheme"),
    [
        ("mysql+pymysql://anna:sea-and-sand@db/crm", "mysql+pymysql"),
        (Path("mysql+pymysql://anna:sea-and-sand@db/crm"), "mysql+pymysql"),
        (Source("postgresql://anna:sea-and-sand@db/crm"), "postgresql"),
        (" postgresql://anna:sea-and-sand@db/crm", "postgresql"),
        ("\ufeffpostgresql://anna@corp.example:sea-and-sand@db/crm", "postgresql"),
        ("jdbc:postgresql://db/crm?user=anna&password=sea-and-sand", "jdbc:postgresql"),
        (Path("s3://bucket/mart"), "s3"),
    ],
)
@pytest.mark.parametrize("use", [open_mart, check_source, resolve_source])
def test_an_address_is_refused_without_its_password(use: Any, given: Any, scheme: str) -> None:
    with pytest.raises(SourceError) as refused:
        use(given)
    assert "A source is a folder, a file or a name, not a URL" in str(refused.value)
    assert f"{scheme}:/" in str(refused.value)
    assert "sea-and-sand" not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        "anna:sea-and-sand@db.example/crm",
        "anna/sea-and-sand@//db:1521/xe",
        Path("anna/sea-and-sand@//db:1521/xe"),
        "host=db user=anna password=sea-and-sand",
        "password=sea-and-sand host=db",
        "Server=db;Uid=anna;Pwd=sea-and-sand;",
        "DRIVER={X};UID=anna;PWD={sea-and-sand}",
        "Password = sea-and-sand; Server=db",
        "//anna:sea-and-sand@host/share",
    ],
)
@pytest.mark.parametrize("use", [open_mart, check_source, resolve_source])
def test_a_connection_string_is_refused_without_its_password(use: Any, given: Any) -> None:
    with pytest.raises(SourceError, match="not the address of a database with a login") as refused:
        use(given)
    assert "sea-and-sand" not in str(refused.value)


def test_a_folder_may_be_named_like_a_login(tmp_path: Path) -> None:
    folder = tmp_path / "anna:sea@home"
    folder.mkdir()
    assert resolve_source(folder).data == folder


@pytest.mark.parametrize("command", ["query", "check", "run"])
def test_no_command_prints_the_password_of_an_address(tmp_path: Path, command: str) -> None:
    address = "mysql+pymysql://anna:sea-and-sand@db/crm"
    given = [address] if command == "check" else ["--source", address, "--interval", "last_month"]
    done = CliRunner().invoke(cli.main, [command, *given])
    assert done.exit_code == 1
    assert "not a URL ('mysql+pymysql://'…)" in done.stderr
    assert "sea-and-sand" not in done.output


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("anna:sea-and-sand:/crm", "anna://"),
        ("jdbc:mysql://anna:sea-and-sand@db/crm", "jdbc:mysql://"),
        ("jdbc:oracle:anna:sea-and-sand:/crm", "jdbc:oracle://"),
    ],
)
def test_only_the_scheme_of_an_address_is_shown(address: str, shown: str) -> None:
    with pytest.raises(SourceError) as refused:
        check_source(address)
    assert f"not a URL ('{shown}'…)" in str(refused.value)
    assert "sand" not in str(refused.value)


def test_an_address_is_no_path_of_a_named_source(tmp_path: Path) -> None:
    for address in (
        "postgresql://db/crm",
        "postgresql:/anna:sea-and-sand@db",
        "mysql://anna:sea/and-sand@db",
        "anna:sea-and-sand@db.example/crm",
    ):
        (tmp_path / "sources.toml").write_text(f'[shop]\npath = "{address}"\n', encoding="utf-8")
        with pytest.raises(SettingsError, match=r"path is a URL|holds a secret|contains a secret") as refused:
            named_sources()
        assert "sand" not in str(refused.value)


@pytest.mark.parametrize("value", [*IN_URLS, *ELSEWHERE])
def test_no_message_about_a_named_source_shows_a_password(value: str, tmp_path: Path) -> None:
    for key in ("path", "url", "endpoint", "mapping"):
        keys = {"path": "x", key: value} if key in ("endpoint", "mapping") else {key: value}
        lines = [f"{name} = {json.dumps(text)}" for name, text in keys.items()]
        (tmp_path / "sources.toml").write_text("\n".join(["[shop]", *lines]), encoding="utf-8")
        with pytest.raises((SettingsError, SourceError)) as refused:
            resolve_source("shop")
        assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("HTTPS://host/mart", "Download its tables as CSV or Parquet to a folder"),
        ("gs://bucket/mart", "Download its tables as CSV or Parquet to a folder"),
        (Path("s3://bucket/mart"), "Give it as a string of the form s3://bucket/folder"),
        (" s3://bucket/mart", "Give it as a string of the form s3://bucket/folder"),
        ("\ufeffs3://bucket/mart", "Give it as a string of the form s3://bucket/folder"),
        (" \ufeff https://host/mart", "Download its tables as CSV or Parquet to a folder"),
    ],
)
def test_another_address_of_files_says_what_to_give_instead(url: str | Path, remedy: str) -> None:
    with pytest.raises(SourceError) as refused:
        check_source(url)
    scheme = str(url).partition(":")[0].strip(" \ufeff")
    assert f"not a URL ('{scheme}://'…). {remedy}" in str(refused.value)
    assert "sync" not in str(refused.value)
