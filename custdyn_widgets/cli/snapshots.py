"""The commands `custdyn snapshots …`: list, show, revoke, expire and prune."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.report_output import json_option, say
from custdyn_widgets.errors import CustDynError, QueryError, SnapshotError

if TYPE_CHECKING:
    from custdyn_widgets.snapshots import Store, listing

_MAX_DAYS = 36_500  # days
_ids_argument = click.argument("given", metavar="ID...", nargs=-1, required=True)


@click.group("snapshots")
def snapshots_group() -> None:
    """Manage the snapshot store. Give each ID in full, or the full link."""


@snapshots_group.command("list")
@json_option()
def snapshots_list(as_json: bool) -> None:
    """List the snapshots, newest first, followed by revoked, expired and damaged ones."""
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing

    store = _store()
    with ProgressBar():
        entries = listing.entries(store, _with_progress("Reading the snapshots", store.ids()))
    if not entries and not as_json:
        _refuse_newer(store, "not listed")
    _print_entries(entries, as_json)
    _refuse_newer(store, "not listed")


@snapshots_group.command("show")
@click.argument("given", metavar="ID")
@json_option("Print the manifest as JSON.")
def snapshots_show(given: str, as_json: bool) -> None:
    """Show the content and state of a snapshot, even if it is revoked or expired."""
    from custdyn_widgets.errors import SnapshotDamagedError
    from custdyn_widgets.snapshots import id_in, listing, read_state

    store, snapshot_id = _store(), id_in(given)
    manifest = store.kept_manifest(snapshot_id)
    try:
        state = listing.describe_state(read_state(store.folder, snapshot_id))
    except SnapshotDamagedError as error:
        state = f"damaged and not shown: {error.file} {error.what}"
    click.echo(
        json.dumps(manifest, indent=1) if as_json else listing.manifest_text(snapshot_id, manifest, state)
    )


def verify_stored(given: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Compare every byte of the given snapshots, or all, with what was published. Exit 1 if any differs."""
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing, newer_formats, signatures

    if given and every:
        raise click.UsageError("Give either --all or IDs.")
    store = _store(must_exist="nothing was verified")
    ids, invalid = _ids_in(given) if given else (store.ids(), [])
    with ProgressBar():
        counted = _with_progress("Verifying the snapshots", ids)
        problems = store.verify(counted) if given else [*store.strays(), *store.verify_stored(counted)]
        problems += signatures.signature_problems(store, ids)
    if as_json:
        click.echo(json.dumps(listing.problems_dict(problems, len(ids), invalid), indent=1))
    elif ids or not (given or newer_formats(store.folder)):
        click.echo(listing.problems_text(problems, len(ids)))
    if not given:
        _refuse_newer(store, "not verified")
    if problems or invalid:
        raise click.exceptions.Exit(1)


@snapshots_group.command("revoke")
@_ids_argument
def snapshots_revoke(given: tuple[str, ...]) -> None:
    """Revoke links permanently: from the next request on, they show nothing.

    The files are kept until they are pruned. Revoking cannot be undone: freeze the report again instead.
    """
    from custdyn_widgets.snapshots import life
    from custdyn_widgets.text import format_instant_utc

    store = _store()

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
    """Set the time after which links show nothing.

    Until a snapshot is pruned, its expiry can be changed or removed, even after it has passed.
    """
    from custdyn_widgets.snapshots import life, listing

    at = _end(instant, days, never)
    store = _store()

    def expire(snapshot_id: str) -> str:
        state = listing.describe_state(life.expire(store, snapshot_id, at))
        return f"{state[0].upper()}{state[1:]}: {snapshot_id}."

    change_each(given, expire)


@snapshots_group.command("prune")
@click.option("--older-than", "age", metavar="AGE", help="Delete snapshots older than 90d, 12w, 6m, 1y, …")
@click.option("--keep-last", metavar="N", type=click.IntRange(min=1), help="Keep the newest N of each query.")
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option("Print the list of snapshots to delete as JSON.")
def snapshots_prune(age: str | None, keep_last: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete old snapshots; their links then show nothing.

    --older-than AGE deletes snapshots that are older, --keep-last N those that are not among the newest N of
    their query; both together delete only those that meet both conditions. The same query counts separately
    for each source and saved query. A preset such as "last month" counts as one query, no matter when it ran.

    Revoked and expired snapshots do not count among the newest: --keep-last deletes them, and --older-than
    deletes them when they are old enough. Damaged snapshots are kept: see `custdyn snapshots verify`.

    A revoked snapshot stays revoked even if it is restored from a backup. Leftover files from killed commands
    are removed too; snapshots being published are not touched.
    """
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing, pruning

    rule = pruning.Rule(_ago(age), keep_last)
    if age is None and keep_last is None:
        raise click.UsageError("Give --older-than AGE or --keep-last N, or both.")
    if not (dry_run or yes or (sys.stdin and sys.stdin.isatty())):
        raise click.UsageError(
            "Cannot ask for confirmation without a terminal: give --yes, or --dry-run to list what to delete."
        )
    store = _store(must_exist="nothing was deleted")
    _refuse_newer(store, "not pruned, and neither were the others")
    with ProgressBar():
        plan = pruning.plan(store, rule, _with_progress("Reading the snapshots", store.ids()))
    if plan.to_delete or as_json:
        _print_entries(plan.to_delete, as_json)
    if plan.damaged:
        say(f"Unreadable and not deleted: {plan.damaged:,}. See `custdyn snapshots verify`.")
    size = listing.kilobytes(sum(entry.size for entry in plan.to_delete))
    count = f"{len(plan.to_delete):,} snapshot{'' if len(plan.to_delete) == 1 else 's'}"
    these = f"{count} ({size} kB{listing.describe_makers(plan.to_delete)})"
    if dry_run:
        say(f"Would delete: {these}. Would keep: {plan.kept:,}.")
        return
    if plan.to_delete and not yes:
        click.confirm(f"Delete {these}? Their links will show nothing.", abort=True, err=True)
    if failed := _prune(store, [entry.id for entry in plan.to_delete]):
        say(f"Failed: {failed:,}. Fix the cause and prune again.")
        raise click.exceptions.Exit(1)
    say(f"Deleted: {these}. Kept: {plan.kept:,}.")


def _prune(store: Store, ids: Sequence[str]) -> int:
    """Delete snapshots and leftovers; report failures and return their number."""
    from custdyn_widgets import progress
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import pruning, trash

    failed = 0
    with ProgressBar():
        for snapshot_id in _with_progress("Deleting the snapshots", ids):
            try:
                pruning.delete(store, snapshot_id)
            except SnapshotError as error:
                progress.note(f"custdyn: {error.message}")
                failed += 1
        swept, unswept = trash.sweep(store.folder)
    if swept:
        say(f"Removed {swept:,} leftover{'' if swept == 1 else 's'} from killed commands.")
    for message in unswept:
        say(f"custdyn: {message}")
    return failed + len(unswept)


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
    """Return the distinct ids in the arguments; report invalid arguments and return the messages too."""
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


def _print_entries(entries: Sequence[listing.Entry], as_json: bool) -> None:
    from custdyn_widgets.snapshots import listing

    click.echo(json.dumps([vars(e) for e in entries], indent=1) if as_json else listing.entries_text(entries))


def _with_progress(action: str, ids: Sequence[str]) -> Iterator[str]:
    """Yield ids and report progress at each whole percent."""
    from custdyn_widgets import progress

    percent = -1
    for done, snapshot_id in enumerate(ids):
        before, percent = percent, 100 * done // len(ids)
        if percent != before:
            progress.step(f"{action}: {done:,} of {len(ids):,}", done / len(ids))
        yield snapshot_id


def _store(must_exist: str = "") -> Store:
    """Return the store; `must_exist` completes the message of the error if it does not exist."""
    from custdyn_widgets.snapshots import Store

    folder = settings.load().snapshots
    if must_exist and not folder.is_dir():
        raise SnapshotError(f"The store {folder} does not exist: {must_exist}.", field="snapshots")
    return Store(folder)


def _refuse_newer(store: Store, what: str) -> None:
    """Raise an error if the store has snapshots from a newer version; `what` completes the message."""
    from custdyn_widgets.snapshots import newer_formats

    if newer := newer_formats(store.folder):
        raise SnapshotError(
            f"The store also has snapshots from a newer version of custdyn, in {', '.join(newer)}/: these "
            f"were {what}. Update custdyn.",
            field="snapshots",
        )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _end(instant: str | None, days: int | None, never: bool) -> datetime | None:
    """Return the expiry specified by the options; None means never."""
    from custdyn_widgets.query import parse_as_of

    if (instant is not None) + (days is not None) + never != 1:
        raise click.UsageError("Give one of --at TIME, --in DAYS and --never.")
    if days is not None:
        return _now() + timedelta(days=days)
    try:
        return None if instant is None else parse_as_of(instant)
    except QueryError as error:
        raise click.BadParameter(error.message.removeprefix("as_of "), param_hint="--at") from error


def _ago(age: str | None) -> datetime | None:
    from custdyn_widgets.snapshots import ago

    try:
        return None if age is None else ago(age, _now())
    except SnapshotError as error:
        raise click.BadParameter(error.message, param_hint="--older-than") from error
