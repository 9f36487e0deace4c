"""The `custdyn snapshots prune` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from custdyn_widgets.cli.report_output import json_option, say
from custdyn_widgets.cli.snapshots import now, print_entries, refuse_newer, the_store, with_progress
from custdyn_widgets.errors import SnapshotError

if TYPE_CHECKING:
    from custdyn_widgets.snapshots import Store


@click.command("prune")
@click.option("--older-than", "age", metavar="AGE", help="Delete snapshots older than 90d, 12w, 6m, 1y, …")
@click.option(
    "--keep-last", metavar="N", type=click.IntRange(min=1), help="Keep the newest N snapshots of each query."
)
@click.option(
    "--max-size",
    "size",
    metavar="SIZE",
    help="Delete the oldest until the rest take up at most 500MB, 5GB, …",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option("Print the list of snapshots to delete as JSON.")
def prune_command(
    age: str | None, keep_last: int | None, size: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete your old snapshots or, as root, those of all accounts; their links then stop working.

    --older-than AGE deletes snapshots that are older than AGE. --keep-last N deletes those that are not among
    the newest N of their query. --max-size SIZE deletes the oldest until the rest take up at most SIZE.
    Combined options delete only snapshots that meet all conditions. The same query counts separately for each
    source and saved query. A preset such as "last month" counts as one query, no matter when it ran.

    Revoked and expired snapshots do not count among the newest: --keep-last deletes them, and --older-than
    deletes them when they are old enough. Damaged snapshots are kept: see `custdyn snapshots verify`.

    A revoked snapshot stays revoked even if it is restored from a backup. Leftover files from killed commands
    are removed too; snapshots being published are not touched.
    """
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing, ownership, pruning

    rule = pruning.Rule(_ago(age), keep_last, _bytes(size))
    if age is None and keep_last is None and size is None:
        raise click.UsageError("Give --older-than AGE, --keep-last N or --max-size SIZE.")
    if not (dry_run or yes or (sys.stdin and sys.stdin.isatty())):
        raise click.UsageError(
            "Confirmation needs a terminal: give --yes, or --dry-run to list what would be deleted."
        )
    store = the_store(must_exist="nothing was deleted")
    refuse_newer(store, "not pruned, and neither were the others")
    with ProgressBar():
        ids = store.ids()
        own = [snapshot_id for snapshot_id in ids if ownership.is_own(store.folder, snapshot_id)]
        plan = pruning.plan(store, rule, with_progress("Reading the snapshots", own))
    if plan.to_delete or as_json:
        print_entries(plan.to_delete, as_json)
    if plan.damaged:
        say(f"Unreadable and not deleted: {plan.damaged:,}. See `custdyn snapshots verify`.")
    if others := len(ids) - len(own):
        say(f"Not considered, because they belong to other accounts: {others:,}.")
    taken = listing.kilobytes(sum(entry.size for entry in plan.to_delete))
    count = f"{len(plan.to_delete):,} snapshot{'' if len(plan.to_delete) == 1 else 's'}"
    these = f"{count} ({taken} kB{listing.describe_makers(plan.to_delete)})"
    if dry_run:
        say(f"Would delete: {these}. Would keep: {plan.kept:,}.")
        return
    if plan.to_delete and not yes:
        click.confirm(f"Delete {these}? Their links will stop working.", abort=True, err=True)
    if failed := _prune(store, [entry.id for entry in plan.to_delete]):
        say(f"Failed: {failed:,}. Fix the cause and prune again.")
        raise click.exceptions.Exit(1)
    say(f"Deleted: {these}. Kept: {plan.kept:,}.")


def _prune(store: Store, ids: Sequence[str]) -> int:
    """Delete snapshots and leftovers; report each failure, and return the number of failures."""
    from custdyn_widgets import progress
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import pruning, trash

    failed = 0
    with ProgressBar():
        for snapshot_id in with_progress("Deleting the snapshots", ids):
            try:
                pruning.delete(store, snapshot_id, "custdyn snapshots prune")
            except SnapshotError as error:
                progress.note(f"custdyn: {error.message}")
                failed += 1
        swept, unswept = trash.sweep(store.folder)
    if swept:
        say(f"Removed {swept:,} leftover{'' if swept == 1 else 's'} from killed commands.")
    for message in unswept:
        say(f"custdyn: {message}")
    return failed + len(unswept)


def _ago(age: str | None) -> datetime | None:
    from custdyn_widgets.snapshots import ago

    try:
        return None if age is None else ago(age, now())
    except SnapshotError as error:
        raise click.BadParameter(error.message, param_hint="--older-than") from error


def _bytes(size: str | None) -> int | None:
    from custdyn_widgets.snapshots import parse_size

    try:
        return None if size is None else parse_size(size)
    except SnapshotError as error:
        raise click.BadParameter(error.message, param_hint="--max-size") from error
