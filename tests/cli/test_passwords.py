"""A password in an address is masked in every message, including click's own and tracebacks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from custdyn_widgets.cli.commands import main

PASSWORD = "s3cretpw"
URL = f"mysql://u:{PASSWORD}@h/d"
FORMS = (
    URL,
    f"postgresql+psycopg://me@corp:{PASSWORD}@db.example.com:5432/b",
    f"S3:/u:{PASSWORD}@h/d",
)


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


COMMANDS = list(_commands(main))
OPTIONS = [
    (*words, option.opts[0])
    for words, command in COMMANDS
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag and _parsed(option)
]


def refused(*args: str) -> str:
    done = CliRunner().invoke(main, list(args))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert PASSWORD not in done.stderr
    return done.stderr


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS], ids=" ".join)
@pytest.mark.parametrize("url", FORMS)
def test_arguments_and_options_that_a_command_does_not_have(words: tuple[str, ...], url: str) -> None:
    done = CliRunner().invoke(main, [*words, *([url] * 9)])
    assert done.exit_code
    assert PASSWORD not in done.output
    for option in (f"--{url}", f"--url={url}", f"-Z{url}"):
        assert "No such option" in refused(*words, option)
    refused(*words, f"-{url}")  # some begin with an option that exists


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("url", FORMS)
def test_values_that_click_refuses(words: tuple[str, ...], url: str) -> None:
    assert "***@" in refused(*words, url)
    assert len(OPTIONS) > 10


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
    ],
    ids=" ".join,
)
def test_each_kind_of_usage_error(args: tuple[str, ...]) -> None:
    refused(*args)


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
        ("query", "-s", "demo", "--query", URL),
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
