"""The `custdyn sync` command."""

from __future__ import annotations

import json

import click

from custdyn_widgets.cli.report_output import json_option, say

_QUICKLY_CHECKED = 200_000  # rows
_NO_MISTAKES = ("mapping", "left_out", "guessed_dialect")  # kinds of notes


@click.command("sync")
@click.argument("name")
@click.option(
    "--show-grants",
    is_flag=True,
    help="Print the GRANT statements that the mapping needs, without connecting, and exit.",
)
@json_option()
def sync_command(name: str, show_grants: bool, as_json: bool) -> None:
    """Read a source's database into its mart, on which reports are then based.

    NAME is a source with a url in sources.toml. The new mart is checked before it replaces the old one: if it
    has faults, they are summarized, and the old mart is kept. Past transactions that changed since the last
    sync are listed.
    """
    from custdyn_widgets.mart import grants_for, sync_source
    from custdyn_widgets.progress import ProgressBar

    if show_grants:
        lines = grants_for(name)
        click.echo(json.dumps(lines, indent=1) if as_json else "\n".join(lines))
        return
    with ProgressBar():
        result = sync_source(name)
    click.echo(json.dumps(result.to_dict(), indent=1) if as_json else result.text())
    if sum(result.record.rows.values()) <= _QUICKLY_CHECKED:
        _say_likely_mistakes(name)


def _say_likely_mistakes(name: str) -> None:
    """Print how many likely mistakes there are in a source's mart, if any."""
    from custdyn_widgets.mart import check_source

    count = sum(note.kind not in _NO_MISTAKES for note in check_source(name).notes)
    if count:
        mistakes = "1 likely mistake" if count == 1 else f"{count:,} likely mistakes"
        say(f"The data has {mistakes}. To list them: custdyn check {name}")


def sync_first(source: str | None) -> None:
    """Read a source's database before a run, and print the result to stderr.

    Raises
    ------
    click.UsageError
        If no source is given.
    """
    from custdyn_widgets.mart import sync_source
    from custdyn_widgets.progress import ProgressBar

    if source is None:
        raise click.UsageError("--sync needs the name of the source: --source NAME.")
    with ProgressBar():
        result = sync_source(source)
    say(result.text())
