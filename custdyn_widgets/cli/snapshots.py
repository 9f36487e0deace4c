"""The commands `custdyn snapshots …`: what is in the store, whether it is whole, and how long it lives."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.answer import say
from custdyn_widgets.errors import CustDynError, QueryError, SnapshotError

if TYPE_CHECKING:
    from custdyn_widgets.snapshots import Store

_LONGEST_LIFE = 36_500  # days
_ids_argument = click.argument("given", metavar="ID...", nargs=-1, required=True)


@click.group("snapshots")
def snapshots_group() -> None:
    """Look after the snapshot store. An ID is a whole one, or a whole link."""


@snapshots_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def snapshots_list(as_json: bool) -> None:
    """List the snapshots, the newest first; at the end those that are revoked, expired or damaged."""
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing

    store = _store()
    with ProgressBar():
        entries = listing.entries(store, _counted("Reading the snapshots", store.ids()))
    click.echo(json.dumps([vars(e) for e in entries], indent=1) if as_json else listing.entries_text(entries))


@snapshots_group.command("show")
@click.argument("given", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON.")
def snapshots_show(given: str, as_json: bool) -> None:
    """Tell what a snapshot holds, also a revoked or expired one, and whether it can be seen."""
    from custdyn_widgets.errors import SnapshotDamagedError
    from custdyn_widgets.snapshots import id_in, listing, read_state

    store, snapshot_id = _store(), id_in(given)
    manifest = store.kept_manifest(snapshot_id)
    try:
        words = listing.state_words(read_state(store.folder, snapshot_id))
    except SnapshotDamagedError as error:
        words = f"damaged, and not shown: {error.file} {error.what}"
    click.echo(
        json.dumps(manifest, indent=1) if as_json else listing.manifest_text(snapshot_id, manifest, words)
    )


@snapshots_group.command("verify")
@click.argument("given", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of them, as without ID.")
def snapshots_verify(given: tuple[str, ...], every: bool) -> None:
    """Read every byte of snapshots (all without ID) and compare; exit 1 if anything differs."""
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing

    if given and every:
        raise click.UsageError("Give either --all or ids.")
    store = _store(must_exist="nothing was verified")
    ids, well = _ids_in(given) if given else (store.ids(), True)
    with ProgressBar():
        counted = _counted("Verifying the snapshots", ids)
        problems = store.verify(counted) if given else [*store.strays(), *store.verify_stored(counted)]
    if ids or not given:
        click.echo(listing.problems_text(problems, len(ids)))
    if problems or not well:
        raise click.exceptions.Exit(1)


@snapshots_group.command("revoke")
@_ids_argument
def snapshots_revoke(given: tuple[str, ...]) -> None:
    """Take links back for good: from the next request on they show nothing.

    The files stay until they are pruned; a revoked snapshot cannot be made visible again. Freeze its report
    anew instead.
    """
    from custdyn_widgets.snapshots import life
    from custdyn_widgets.text import format_instant_utc

    store = _store()

    def revoke(snapshot_id: str) -> str:
        before = life.revoke(store, snapshot_id)
        if before is None:
            return f"Revoked: {snapshot_id} (its state was damaged, and has been replaced)."
        since = f" (since {format_instant_utc(before.revoked)} already)" if before.revoked else ""
        return f"Revoked: {snapshot_id}{since}."

    _each(given, revoke)


@snapshots_group.command("expire")
@_ids_argument
@click.option("--at", "instant", metavar="INSTANT", help="An ISO 8601 instant; without an offset, UTC.")
@click.option(
    "--in", "days", metavar="DAYS", type=click.IntRange(1, _LONGEST_LIFE), help="So many days from now."
)
@click.option("--never", is_flag=True, help="Take the end back.")
def snapshots_expire(given: tuple[str, ...], instant: str | None, days: int | None, never: bool) -> None:
    """Let links show their snapshot until an instant, and nothing after it.

    Until a snapshot is pruned its end can be set anew or taken back, also when it has come.
    """
    from custdyn_widgets.snapshots import life, listing

    at = _end(instant, days, never)
    store = _store()

    def expire(snapshot_id: str) -> str:
        words = listing.state_words(life.expire(store, snapshot_id, at))
        return f"{words[0].upper()}{words[1:]}: {snapshot_id}."

    _each(given, expire)


@snapshots_group.command("prune")
@click.option("--older-than", "age", metavar="AGE", help="What was generated longer ago: 90d, 12w, 6m, 1y.")
@click.option(
    "--keep-last", metavar="N", type=click.IntRange(min=1), help="But the newest N of each query stay."
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def snapshots_prune(age: str | None, keep_last: int | None, dry_run: bool, yes: bool) -> None:
    """Delete old snapshots, whose links then show nothing.

    With --older-than AGE, what was generated longer ago; with --keep-last N, what is not among the newest N
    of its query; with both, only what both say. Each query is the same query as asked of the same source:
    "last month" is one query, in whatever month it ran.

    The newest are counted among the snapshots that can be seen. A revoked or expired one has no place among
    them: --keep-last alone deletes it, and --older-than deletes it when it is old enough. A damaged one
    stays, for `custdyn snapshots verify` to tell about.

    What was revoked stays so, even if a backup brings the snapshot back. What publishing or pruning left
    when it was killed is removed too; what is being published is not touched.
    """
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import listing, pruning

    rule = pruning.Rule(_ago(age), keep_last)
    if age is None and keep_last is None:
        raise click.UsageError("Give --older-than AGE or --keep-last N, or both.")
    if not (dry_run or yes or (sys.stdin and sys.stdin.isatty())):
        raise click.UsageError("Nobody is here to be asked: give --yes, or --dry-run to see what would go.")
    store = _store(must_exist="nothing was deleted")
    with ProgressBar():
        plan = pruning.plan(store, rule, _counted("Reading the snapshots", store.ids()))
    if plan.going:
        click.echo(listing.entries_text(plan.going))
    if plan.damaged:
        say(f"Damaged, and left as they are: {plan.damaged:,}. `custdyn snapshots verify` tells about them.")
    size = listing.kilobytes(sum(entry.size for entry in plan.going))
    these = f"{len(plan.going):,} snapshot{'' if len(plan.going) == 1 else 's'} ({size} kB)"
    if dry_run:
        say(f"Would be deleted: {these}. Would stay: {plan.staying:,}.")
        return
    if plan.going and not yes:
        click.confirm(f"Delete {these}? Their links will show nothing.", abort=True, err=True)
    if failed := _prune(store, [entry.id for entry in plan.going]):
        say(f"Failed: {failed:,}. Mend that, and prune again.")
        raise click.exceptions.Exit(1)
    say(f"Deleted: {these}. Stay: {plan.staying:,}.")


def _prune(store: Store, ids: Sequence[str]) -> int:
    """Delete snapshots and sweep; say what failed, and return how many did."""
    from custdyn_widgets import progress
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.snapshots import pruning, trash

    failed = 0
    with ProgressBar():
        for snapshot_id in _counted("Deleting the snapshots", ids):
            try:
                pruning.delete(store, snapshot_id)
            except SnapshotError as error:
                progress.note(f"custdyn: {error.message}")
                failed += 1
        swept, unswept = trash.sweep(store.folder)
    if swept:
        remnants = f"{swept:,} remnant{'' if swept == 1 else 's'}"
        say(f"Removed {remnants} of what was killed while it published or deleted.")
    for message in unswept:
        say(f"custdyn: {message}")
    return failed + len(unswept)


def _each(given: Sequence[str], change: Callable[[str], str]) -> None:
    """Change each snapshot and say what was done; one that fails does not keep the others from theirs."""
    ids, well = _ids_in(given)
    for snapshot_id in ids:
        try:
            say(change(snapshot_id))
        except CustDynError as error:
            say(f"custdyn: {error.message}")
            well = False
    if not well:
        raise click.exceptions.Exit(1)


def _ids_in(given: Sequence[str]) -> tuple[list[str], bool]:
    """Return the ids that were given, each once, and whether all of it was ids; say what was not."""
    from custdyn_widgets.snapshots import id_in

    ids: dict[str, None] = {}
    well = True
    for text in given:
        try:
            ids[id_in(text)] = None
        except SnapshotError as error:
            say(f"custdyn: {error.message}")
            well = False
    return list(ids), well


def _counted(words: str, ids: Sequence[str]) -> Iterator[str]:
    """Yield ids, and tell how far they are at each whole percent."""
    from custdyn_widgets import progress

    told = -1
    for done, snapshot_id in enumerate(ids):
        if 100 * done // len(ids) != told:
            told = 100 * done // len(ids)
            progress.step(f"{words}: {done:,} of {len(ids):,}", done / len(ids))
        yield snapshot_id


def _store(must_exist: str = "") -> Store:
    """Return the store of the settings; `must_exist` says what was not done if there is none."""
    from custdyn_widgets.snapshots import Store

    folder = settings.load().snapshots
    if must_exist and not folder.is_dir():
        raise SnapshotError(f"There is no store {folder}: {must_exist}.", field="snapshots")
    return Store(folder)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _end(instant: str | None, days: int | None, never: bool) -> datetime | None:
    """Return the end that was given in one of three ways; None: never."""
    from custdyn_widgets.query import parse_as_of

    if (instant is not None) + (days is not None) + never != 1:
        raise click.UsageError("Give one of --at INSTANT, --in DAYS and --never.")
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
