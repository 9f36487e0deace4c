"""A password in an address is masked in every message, including click's own and tracebacks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from custdyn_widgets.cli.commands import main
from tests.passwords import ELSEWHERE, IN_URLS, PASSWORD

URL = f"mysql://u:{PASSWORD}@h/d"
FORMS = (
    URL,
    f"postgresql+psycopg://me@corp:{PASSWORD}@db.example.com:5432/b",
    f"S3:/u:{PASSWORD}@h/d",
    f"mysql://u:{PASSWORD} {PASSWORD}@h/d",
)
VALUES = [*IN_URLS[:4], *ELSEWHERE[::3]]


def _commands(
    group: click.Group, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))


def _parsed(option: click.Option) -> bool:
    """Tell whether click itself refuses some values of an option."""
    return isinstance(option.type, click.Choice | click.types.IntParamType | click.types.FloatParamType)


def _takes_value(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and not option.is_flag and not option.count


def _is_path(parameter: click.Parameter) -> bool:
    return isinstance(parameter.type, click.Path)


def _counts(command: click.Command) -> range:
    """Return the numbers of arguments that a command accepts, and one too many."""
    most = sum(isinstance(one, click.Argument) for one in command.params)
    return range(1, most + 2)


COMMANDS = list(_commands(main))
OPTIONS = [
    (*words, option.opts[0])
    for words, command in COMMANDS
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag and _parsed(option)
]
PLACES = [  # (command, option or number of arguments)
    *((words, one.opts[0]) for words, c in COMMANDS for one in c.params if _takes_value(one)),
    *((words, count) for words, c in COMMANDS if not isinstance(c, click.Group) for count in _counts(c)),
]


def refused(*args: str) -> str:
    done = CliRunner().invoke(main, list(args))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert PASSWORD not in done.stderr
    return done.stderr


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS], ids=" ".join)
def test_arguments_and_options_that_a_command_does_not_have(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*words, *FORMS, *FORMS])
    assert done.exit_code
    assert PASSWORD not in done.output
    for url, option in zip(FORMS, ("--{}", "--url={}", "-Z{}", "--{}"), strict=True):
        assert "No such option" in refused(*words, option.format(url))
    refused(*words, f"-{URL}")  # some begin with an option that exists


def test_values_that_click_refuses() -> None:
    assert len(OPTIONS) > 10
    for words, url in zip(OPTIONS, cycle(FORMS), strict=False):
        assert "***@" in refused(*words, url)


@pytest.mark.parametrize(
    ("words", "place"), PLACES, ids=lambda it: " ".join(it) if type(it) is tuple else None
)
def test_any_password_in_any_place(
    words: tuple[str, ...], place: str | int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("queries", "my_queries", "runs", "marts", "cache", "snapshots"):
        monkeypatch.setenv(f"CUSTDYN_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
    monkeypatch.chdir(tmp_path)
    has_source = any(option.name == "source" for option in dict(COMMANDS)[words].params)
    known = ["-s", "nowhere"] if has_source and place not in ("--source", "-s") else []
    for value, debug in zip(VALUES, cycle(([], ["--debug"])), strict=False):
        given = [place, value] if isinstance(place, str) else [value] * place
        done = CliRunner().invoke(main, [*debug, *words, *known, *given])
        assert PASSWORD not in done.output
        assert "This is a bug" not in done.output
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in written)


@pytest.mark.parametrize(
    ("words", "path"), [(words, one) for words, c in COMMANDS for one in c.params if _is_path(one)], ids=str
)
def test_a_path_is_not_an_address(words: tuple[str, ...], path: click.Parameter) -> None:
    before = [] if words != ("snapshots", "export") else ["id"]
    for url in FORMS:
        given = [path.opts[0], url] if isinstance(path, click.Option) else [*before, url]
        assert "must be a path on this machine, not an address" in refused(*words, *given)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    "divided",
    [
        (f"mysql://user:{PASSWORD}", f"{PASSWORD}@db/b"),
        (f"mysql://user:{PASSWORD}@x", f"{PASSWORD}.ipynb@db"),
        (f"mysql://user:{PASSWORD}", f"{PASSWORD}.ipynb"),
        (f"user:{PASSWORD}", f"{PASSWORD}@db/b"),
    ],
    ids=" ".join,
)
def test_the_rest_of_a_divided_password_is_no_path_and_is_not_recorded(
    divided: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CUSTDYN_QUERIES", str(tmp_path / "queries"))
    monkeypatch.chdir(tmp_path)
    asked = ("run", "--saved", "board", "--as-of", "2022-01-02T00:00:00Z", "--no-send", "--source", *divided)
    assert "must be a path on this machine, not an address" in refused(*asked)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in written)
    for command in (("runs", "list"), ("runs", "list", "--json"), ("runs", "check", "--json")):
        assert PASSWORD not in CliRunner().invoke(main, [*command]).output


def test_a_zip_and_its_key_are_not_at_an_address() -> None:
    assert "FILE.zip: must be a path" in refused("snapshots", "verify", f"{URL}/a.zip")
    assert "--key: must be a path" in refused("snapshots", "verify", "a.zip", "--key", URL)


def test_links_do_not_begin_with_an_address() -> None:
    for url in (URL, "https://reports.example/", "//h", "a b", "?password=a", "me:a@h"):
        done = CliRunner().invoke(main, ["serve", "--base-url", url])
        assert done.exit_code == 1
        assert "must be a path such as /reports/, not an address" in done.stderr
        assert PASSWORD not in done.output


@pytest.mark.parametrize(
    "args",
    [
        (URL,),
        (URL, "--help"),
        ("queries", URL),
        ("--debug", URL),
        ("sync", "operator", URL),
        ("check", "ok", URL),
        ("query", "--source", "ok", URL),
        ("run", "-s", URL, "-p", URL),
        ("check", "ok", f"--all={URL}"),
        ("mapping", "new", "shop", f"s3://u:{PASSWORD}@b", "--currency"),
        ("snapshots", "expire", URL),
        ("check", f"mysql://u:{PASSWORD}", PASSWORD, f"{PASSWORD}@h/d"),
        ("check", f"mysql://u:{PASSWORD}@x", f"{PASSWORD}@h/d"),
        ("check", f"u:{PASSWORD}", f"{PASSWORD}@h/d"),
        ("check", f"mysql://u:{PASSWORD}", PASSWORD),
        ("check", "host=h", f"password={PASSWORD}", PASSWORD, "dbname=x"),
        ("query", "-s", f"mysql://u:{PASSWORD}", PASSWORD, f"{PASSWORD}@h/d"),
        ("mapping", "new", "shop", f"mysql://u:{PASSWORD}", f"{PASSWORD}@h/d"),
    ],
    ids=" ".join,
)
def test_each_kind_of_usage_error(args: tuple[str, ...]) -> None:
    refused(*args)


def test_a_short_part_of_a_password_does_not_disfigure_the_message() -> None:
    assert "Usage: main [OPTIONS] COMMAND [ARGS]..." in refused("-xpostgresql://u:p=e", "check")


@pytest.mark.parametrize(
    "error",
    [
        click.ClickException(f"{URL} is odd."),
        click.UsageError(f"{URL} is odd."),
        click.BadParameter(f"{URL} is odd.", param_hint=URL),
        click.MissingParameter(param_hint=URL, param_type=URL),
        click.NoSuchOption(URL, possibilities=[URL]),
        click.NoSuchCommand(URL, possibilities=[URL]),
        click.BadOptionUsage(URL, f"{URL} is odd."),
        click.BadArgumentUsage(f"{URL} is odd."),
        click.FileError(URL, f"{URL} is odd."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_error_of_click(error: click.ClickException, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(ctx: click.Context) -> None:
        raise error

    monkeypatch.setattr(main.commands["mcp"], "invoke", refuse)
    done = CliRunner().invoke(main, ["mcp"])
    assert done.exit_code == error.exit_code
    assert PASSWORD not in done.output
    assert "***@h/d" in done.stderr
    masked = done.stderr.replace("***", PASSWORD)
    error.show(shown := io.StringIO())
    assert masked == shown.getvalue()


def test_without_arguments_the_help_is_shown_as_before() -> None:
    done = CliRunner().invoke(main, ["snapshots"])
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: main snapshots [OPTIONS] COMMAND [ARGS]...\n\n  ")
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("query", "-s", "demo", "--saved", URL),
        ("check", URL),
        ("queries", "show", URL),
        ("sync", URL),
    ],
    ids=" ".join,
)
def test_a_traceback_with_debug(args: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["--debug", *args])
    assert done.stderr.startswith("Traceback")
    assert PASSWORD not in done.output
    assert done.exit_code == CliRunner().invoke(main, [*args]).exit_code


def test_the_command_itself_and_its_completion(tmp_path: Path) -> None:
    def custdyn(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "custdyn_widgets", *args]
        found = {**os.environ, **variables}
        return subprocess.run(command, env=found, capture_output=True, text=True, timeout=60, check=False)

    done = custdyn("sync", "operator", URL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "Error: Got unexpected extra argument (mysql://u:***@h/d)"
    words = {"COMP_WORDS": f"custdyn sync a {URL} ", "COMP_CWORD": "4"}
    for instruction in ("bash_complete", URL):
        done = custdyn(**words, _CUSTDYN_COMPLETE=instruction)
        assert PASSWORD not in done.stdout + done.stderr
