"""The `custdyn snapshots` commands `note`, `history` and `protect`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.report_output import json_option, say
from custdyn_widgets.errors import SnapshotError

if TYPE_CHECKING:
    from custdyn_widgets.snapshots import Store


@click.command("note")
@click.argument("given", metavar="ID")
@click.argument("text", required=False)
@click.option(
    "--withdraw", type=click.IntRange(min=1), metavar="N", help="Withdraw the note with this number."
)
@json_option("Print the notes as JSON.")
def note_command(given: str, text: str | None, withdraw: int | None, as_json: bool) -> None:
    """Add a dated note, which everyone who opens the link sees above the report.

    Without TEXT, list the notes. The link shows the date, the role in your settings and the text, but not the
    name of your account, which `custdyn snapshots history` shows. The snapshot does not change.
    """
    from custdyn_widgets.snapshots import Store, id_in, notes

    if text is not None and withdraw is not None:
        raise click.UsageError("Give either TEXT or --withdraw N.")
    current = settings.load()
    store, snapshot_id = Store(current.snapshots), id_in(given)
    if text is not None:
        notes.add_note(store, snapshot_id, text, current.role)
        say(f"Noted: {snapshot_id}.")
    elif withdraw is not None:
        withdrawn = notes.withdraw_note(store, snapshot_id, withdraw)
        say(f"Withdrawn from {snapshot_id}: {_one_line(withdrawn.text)}")
    else:
        _list(store, snapshot_id, as_json=as_json)


def _list(store: Store, snapshot_id: str, *, as_json: bool) -> None:
    from custdyn_widgets.snapshots import notes
    from custdyn_widgets.text import align_rows, format_clock

    store.kept_manifest(snapshot_id)  # raises an error unless it exists
    found = notes.notes_on(store.folder, snapshot_id)
    if as_json:
        values = [{"at": n.at, "by": n.who, "role": n.role, "text": n.text} for n in found.notes]
        click.echo(json.dumps(values, indent=1))
    elif not found.notes:
        say("There are no notes on this snapshot.")
    else:
        rows = [("No.", "Date (UTC)", "By", "Note")]
        for number, note in enumerate(found.notes, start=1):
            rows.append((str(number), format_clock(note.at), _one_line(note.who), _one_line(note.text)))
        click.echo("\n".join(align_rows(rows, right={0})))
    if found.incomplete:
        raise SnapshotError(
            f"Part of the history of {snapshot_id} cannot be read: check acts/ in the store.",
            field="id",
        )


@click.command("history")
@click.argument("given", metavar="ID")
@json_option("Print the history as JSON.")
def history_command(given: str, as_json: bool) -> None:
    """List the history of a snapshot: who revoked it, set its expiry, added a note or deleted it, and when.

    People are identified by their operating-system accounts. Deleted snapshots have a history, too.
    """
    from custdyn_widgets.files import reason
    from custdyn_widgets.snapshots import Store, actions, id_in, ownership
    from custdyn_widgets.text import align_rows, format_clock

    store, snapshot_id = Store(settings.load().snapshots), id_in(given)
    try:
        found, unreadable = actions.actions_on(store.folder, snapshot_id)
    except OSError as error:
        raise SnapshotError(f"The store's acts/ {reason(error)}.", field="snapshots") from error
    owner = ownership.owner_of(store.folder, snapshot_id)
    if owner is None and not found:
        store.kept_manifest(snapshot_id)  # raises an error unless it exists
    published = store.kept_manifest(snapshot_id).get("generated_at") if owner is not None else None
    lines = [(str(published), ownership.account(owner), "published", "")] if owner is not None else []
    lines += [(action.at, action.who, action.act, action.text) for action in found]
    if as_json:
        keys = ("at", "by", "act", "text")
        click.echo(json.dumps([dict(zip(keys, line, strict=True)) for line in lines], indent=1))
    else:
        rows: list[tuple[str, ...]] = [("Time (UTC)", "By", "Action", "Details")]
        rows += [(format_clock(at), *(_one_line(cell) or "–" for cell in line)) for at, *line in lines]
        click.echo("\n".join(align_rows(rows)))
    if unreadable:
        raise SnapshotError(
            f"{unreadable:,} action{'' if unreadable == 1 else 's'} on {snapshot_id} cannot be read.",
            field="id",
        )


@click.command("protect")
@click.option("--group", required=True, metavar="GROUP", help="The group whose members may freeze reports.")
def protect_command(group: str) -> None:
    """Protect a shared store, so that a snapshot can be changed or deleted only by its owner or root.

    Run this as root. The store may be new or already in use. Members of the group can add snapshots and see
    all of them. Anyone else who can enter the folder above the store can read the snapshots, so let only the
    members and a viewer enter that folder.
    """
    from custdyn_widgets.snapshots import protect

    folder = settings.load().snapshots
    count = protect(folder, group)
    say(f"Protected: {folder} ({count:,} snapshot{'' if count == 1 else 's'}).")


def _one_line(text: str) -> str:
    from custdyn_widgets.text import printable

    return printable(text, mark_breaks=True)
