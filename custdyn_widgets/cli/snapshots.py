"""The `custdyn snapshots` commands: list, show, revoke and expire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.lazy_commands import LazyCommand, LazyGroup
from custdyn_widgets.cli.report_output import json_option, say
from custdyn_widgets.errors import CustDynError, QueryError, SnapshotError, shown

if TYPE_CHECKING:
    from custdyn_widgets.snapshots import Store, listing

_MAX_DAYS = 36_500  # days
_COMMANDS = {
    "diff": LazyCommand(
        "snapshot_difference",
        "diff_command",
        "Print every cell that differs between two snapshots of the same query, and all other differences.",
    ),
    "export": LazyCommand(
        "snapshot_proof",
        "export_command",
        "Write a snapshot to a ZIP that can be verified without the store.",
    ),
    "history": LazyCommand(
        "snapshot_notes",
        "history_command",
        "List the history of a snapshot: who revoked it, set its expiry, added a note or deleted it, "
        "and when.",
    ),
    "key": LazyCommand("snapshot_proof", "key_group", "Manage the key that signs snapshots."),
    "note": LazyCommand(
        "snapshot_notes",
        "note_command",
        "Add a dated note, which everyone who opens the link sees above the report.",
    ),
    "pdf": LazyCommand(
        "snapshot_pdf", "pdf_command", "Write a snapshot's report as a PDF with the link in the footer."
    ),
    "protect": LazyCommand(
        "snapshot_notes",
        "protect_command",
        "Protect a shared store, so that a snapshot can be changed or deleted only by its owner or root.",
    ),
    "prune": LazyCommand(
        "pruning",
        "prune_command",
        "Delete your old snapshots or, as root, those of all accounts; their links then stop working.",
    ),
    "sign": LazyCommand(
        "snapshot_proof",
        "sign_command",
        "Sign snapshots that you froze without a key, or with another key.",
    ),
    "verifier": LazyCommand(
        "snapshot_proof",
        "verifier_command",
        "Write the ZIP verifier to a single file that runs on Python 3.11 or newer without any packages.",
    ),
    "verify": LazyCommand(
        "snapshot_proof",
        "verify_command",
        "Compare the given (or all) snapshots byte by byte with what was published.",
    ),
}
_ids_argument = click.argument("given", metavar="ID...", nargs=-1, required=True)


@click.group("snapshots", cls=LazyGroup, lazy=_COMMANDS)
def snapshots_group() -> None:
    """Manage the snapshot store. Give each ID in full, or the full link."""


@snapshots_group.command("list")
@click.option("--by", "saved_query", metavar="NAME", help="List only snapshots that this saved query made.")
@json_option()
def snapshots_list(saved_query: str | None, as_json: bool) -> None:
    """List the snapshots, newest first, followed by revoked, expired and damaged ones."""
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing

    store = the_store()
    with ProgressBar():
        entries = listing.entries(store, with_progress("Reading the snapshots", store.ids()))
    if saved_query is not None:
        entries = [entry for entry in entries if entry.saved_query == saved_query]
        if not entries and not as_json:
            click.echo(f"The saved query {shown(saved_query)} has made no snapshots.")
            return
    if not entries and not as_json:
        refuse_newer(store, "not listed")
    print_entries(entries, as_json)
    refuse_newer(store, "not listed")


@snapshots_group.command("show")
@click.argument("given", metavar="ID")
@json_option("Print the manifest as JSON.")
def snapshots_show(given: str, as_json: bool) -> None:
    """Show the content and state of a snapshot, even if it is revoked or expired."""
    from custdyn_widgets.errors import SnapshotDamagedError
    from custdyn_widgets.snapshots import id_in, listing, read_state

    store, snapshot_id = the_store(), id_in(given)
    manifest = store.kept_manifest(snapshot_id)
    try:
        state = listing.describe_state(read_state(store.folder, snapshot_id))
    except SnapshotDamagedError as error:
        state = f"damaged and not shown: {error.file} {error.what}"
    click.echo(
        json.dumps(manifest, indent=1) if as_json else listing.manifest_text(snapshot_id, manifest, state)
    )


def verify_stored(given: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Compare the given (or all) snapshots byte by byte with what was published. Exit 1 if any differ."""
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing, newer_formats, signatures

    if given and every:
        raise click.UsageError("Give either --all or IDs.")
    store = the_store(must_exist="nothing was verified")
    ids, invalid = _ids_in(given) if given else (store.ids(), [])
    with ProgressBar():
        counted = with_progress("Verifying the snapshots", ids)
        problems = store.verify(counted) if given else [*store.strays(), *store.verify_stored(counted)]
        problems += signatures.signature_problems(store, ids)
    if as_json:
        click.echo(json.dumps(listing.problems_dict(problems, len(ids), invalid), indent=1))
    elif ids or not (given or newer_formats(store.folder)):
        click.echo(listing.problems_text(problems, len(ids)))
    if not given:
        refuse_newer(store, "not verified")
    if problems or invalid:
        raise click.exceptions.Exit(1)


@snapshots_group.command("revoke")
@_ids_argument
def snapshots_revoke(given: tuple[str, ...]) -> None:
    """Revoke links permanently; they stop working at the next request.

    The files are kept until they are pruned. Revoking cannot be undone: freeze the report again instead.
    """
    from custdyn_widgets.snapshots import life
    from custdyn_widgets.text import format_instant_utc

    store = the_store()

    def revoke(snapshot_id: str) -> str:
        before = life.revoke(store, snapshot_id)
        if before is None:
            return f"Revoked: {snapshot_id} (its state was damaged and has been replaced)."
        since = f" (already since {format_instant_utc(before.revoked)})" if before.revoked else ""
        return f"Revoked: {snapshot_id}{since}."

    change_each(given, revoke)


@snapshots_group.command("expire")
@_ids_argument
@click.option("--at", "instant", metavar="TIME", help="An ISO 8601 timestamp, in UTC if it has no offset.")
@click.option("--in", "days", metavar="DAYS", type=click.IntRange(1, _MAX_DAYS), help="Days from now.")
@click.option("--never", is_flag=True, help="Remove the expiry.")
def snapshots_expire(given: tuple[str, ...], instant: str | None, days: int | None, never: bool) -> None:
    """Set the time after which links stop working.

    Until a snapshot is pruned, its expiry can be changed or removed, even after it has passed.
    """
    from custdyn_widgets.snapshots import life, listing

    at = _end(instant, days, never)
    store = the_store()

    def expire(snapshot_id: str) -> str:
        state = listing.describe_state(life.expire(store, snapshot_id, at))
        return f"{state[0].upper()}{state[1:]}: {snapshot_id}."

    change_each(given, expire)


def change_each(given: Sequence[str], change: Callable[[str], str]) -> None:
    """Change each snapshot and report the result; continue after a failure."""
    ids, invalid = _ids_in(given)
    ok = not invalid
    for snapshot_id in ids:
        try:
            say(change(snapshot_id))
        except CustDynError as error:
            say(f"custdyn: {error.message}")
            ok = False
    if not ok:
        raise click.exceptions.Exit(1)


def _ids_in(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the distinct ids in the arguments, and the messages reported for invalid arguments."""
    from custdyn_widgets.snapshots import id_in

    ids: dict[str, None] = {}
    invalid = []
    for text in given:
        try:
            ids[id_in(text)] = None
        except SnapshotError as error:
            say(f"custdyn: {error.message}")
            invalid.append(error.message)
    return list(ids), invalid


def print_entries(entries: Sequence[listing.Entry], as_json: bool) -> None:
    """Print the list of snapshots."""
    from custdyn_widgets.snapshots import listing

    click.echo(json.dumps([vars(e) for e in entries], indent=1) if as_json else listing.entries_text(entries))


def with_progress(action: str, ids: Sequence[str]) -> Iterator[str]:
    """Yield ids, reporting progress whenever the percentage changes."""
    from custdyn_widgets import progress

    percent = -1
    for done, snapshot_id in enumerate(ids):
        before, percent = percent, 100 * done // len(ids)
        if percent != before:
            progress.step(f"{action}: {done:,} of {len(ids):,}", done / len(ids))
        yield snapshot_id


def the_store(must_exist: str = "") -> Store:
    """Return the store; with `must_exist`, which completes the error message, the store must exist."""
    from custdyn_widgets.snapshots import Store

    folder = settings.load().snapshots
    if must_exist and not folder.is_dir():
        raise SnapshotError(f"The store {folder} does not exist: {must_exist}.", field="snapshots")
    return Store(folder)


def refuse_newer(store: Store, what: str) -> None:
    """Raise an error if the store has snapshots from a newer version; `what` completes the message."""
    from custdyn_widgets.snapshots import newer_formats

    if newer := newer_formats(store.folder):
        raise SnapshotError(
            f"The store also has snapshots from a newer version of custdyn, in {', '.join(newer)}/: these "
            f"were {what}. Update custdyn.",
            field="snapshots",
        )


def now() -> datetime:
    """Return the current time, truncated to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _end(instant: str | None, days: int | None, never: bool) -> datetime | None:
    """Return the expiry specified by the options; None means never."""
    from custdyn_widgets.query import parse_as_of

    if (instant is not None) + (days is not None) + never != 1:
        raise click.UsageError("Give --at TIME, --in DAYS or --never.")
    if days is not None:
        return now() + timedelta(days=days)
    try:
        return None if instant is None else parse_as_of(instant)
    except QueryError as error:
        raise click.BadParameter(error.message.removeprefix("as_of "), param_hint="--at") from error
