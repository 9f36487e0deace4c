"""The `custdyn queries address` command: addresses that lead to the newest snapshot of a saved query."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from custdyn_widgets.cli.report_output import json_option, say
from custdyn_widgets.errors import SavedQueryError

if TYPE_CHECKING:
    from custdyn_widgets.saved_queries import SavedQuery
    from custdyn_widgets.settings import Settings
    from custdyn_widgets.snapshots import Address, Store


@click.command("address")
@click.argument("name", required=False)
@click.option("--was", "old", metavar="NAME", help="The name of the saved query before it was renamed.")
@click.option("--revoke", is_flag=True, help="Revoke the saved query's addresses permanently.")
@json_option("Print the addresses as JSON.")
def address_command(name: str | None, old: str | None, revoke: bool, as_json: bool) -> None:
    """Print an address that always leads to the newest snapshot of a saved query.

    The address is created when it is first requested. It cannot be guessed, leads only to visible snapshots
    made by recorded runs under this account, and can be revoked. The newest snapshot is the one whose report
    is for the latest time. Without NAME, list all addresses of this account.

    After renaming a saved query, `custdyn queries address NEW --was OLD` makes the addresses of the old name
    lead to the snapshots of the new one. Deleting a saved query revokes its addresses.
    """
    from custdyn_widgets import settings
    from custdyn_widgets.snapshots import Store, addresses

    if name is None and (old or revoke):
        raise click.UsageError("Give the NAME of the saved query.")
    if old and revoke:
        raise click.UsageError("Give --was or --revoke, not both.")
    current = settings.load()
    store = Store(current.snapshots)
    if revoke:
        assert name is not None
        revoke_addresses(store, name, must_exist=True)
        return
    found = addresses.own_addresses(store.folder, name)
    if name is not None:
        found = _ensured(store, name, old, found, current)
    _print(store, found, current, as_json=as_json, listed=name is None)


def revoke_addresses(store: Store, name: str, *, must_exist: bool = False) -> None:
    """Revoke this account's addresses for a saved query, and print a message for each."""
    from custdyn_widgets.snapshots import addresses

    found = addresses.own_addresses(store.folder, name)
    if not found and must_exist:
        raise SavedQueryError(
            f"This account has no address for the saved query {name}. `custdyn queries address` lists "
            "all addresses.",
            field="name",
        )
    for address in found:
        addresses.revoke_address(store.folder, address)
        say(f"Revoked: the address of {name} created on {address.made:%Y-%m-%d}.")


def _ensured(
    store: Store, name: str, old: str | None, found: list[Address], settings: Settings
) -> list[Address]:
    """Return the addresses of a saved query, renaming those under its old name or creating one if needed."""
    from custdyn_widgets import saved_queries
    from custdyn_widgets.snapshots import addresses

    saved = saved_queries.load(name, settings=settings).saved
    if saved.for_each is not None:
        raise SavedQueryError(
            f"The saved query {name} makes a report for each {saved.for_each.by}, so it cannot have an "
            "address: readers of one report would see another.",
            field="for_each",
        )
    if old is not None:
        before = addresses.own_addresses(store.folder, old)
        if not before:
            raise SavedQueryError(f"This account has no address for the saved query {old}.", field="was")
        found = found + [addresses.rename_address(store.folder, one, name) for one in before]
    return found or [addresses.make_address(store.folder, name, _since(store, name, saved))]


def _since(store: Store, name: str, saved: SavedQuery) -> datetime:
    """Return the time of the newest snapshot with a saved query's current query, or else the current time.

    Earlier versions of the saved query may have made reports on other clients, which readers should not see.
    """
    from custdyn_widgets.snapshots import ownership
    from custdyn_widgets.text import parse_instant

    newest = None
    for snapshot_id in store.ids():
        if not ownership.is_own(store.folder, snapshot_id):
            continue
        manifest = _manifest(store, snapshot_id)
        if manifest.get("saved_query") == name and manifest.get("query") == saved.query.to_dict():
            at = parse_instant(str(manifest["generated_at"]))
            newest = at if newest is None else max(newest, at)
    return newest or datetime.now(UTC).replace(microsecond=0)


def _manifest(store: Store, snapshot_id: str) -> dict[str, object]:
    from custdyn_widgets.errors import SnapshotError

    try:
        return store.manifest(snapshot_id)
    except SnapshotError:
        return {}


def _link(settings: Settings, address: Address) -> str:
    return f"{settings.link('').removesuffix('view?id=')}latest?q={address.token}"


def _print(store: Store, found: list[Address], settings: Settings, *, as_json: bool, listed: bool) -> None:
    from custdyn_widgets.snapshots import NewestSnapshots
    from custdyn_widgets.text import align_rows, format_instant_utc

    newest = NewestSnapshots(store)
    leads = [(one, _link(settings, one), newest.of(one)) for one in found]
    if as_json:
        values = [
            {
                "saved_query": one.name,
                "address": link,
                "made": format_instant_utc(one.made),
                "snapshot": leads_to,
            }
            for one, link, leads_to in leads
        ]
        click.echo(json.dumps(values, indent=1))
    elif listed:
        rows = [("Saved query", "Made", "Address", "Leads to")]
        rows += [(one.name, f"{one.made:%Y-%m-%d}", link, to or "nothing yet") for one, link, to in leads]
        click.echo("\n".join(align_rows(rows)) if leads else "This account has created no addresses yet.")
    else:
        for one, link, leads_to in leads:
            click.echo(link)
            if leads_to is None:
                say(f"It leads nowhere until a run of {one.name} under this account makes a snapshot.")
            else:
                later = f"will lead to each newer snapshot that a run of {one.name} makes"
                say(f"It now leads to {leads_to}, and {later}.")
