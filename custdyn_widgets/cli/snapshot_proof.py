"""The `custdyn snapshots` commands that prove to outsiders that a snapshot is genuine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.arguments import LocalPath
from custdyn_widgets.cli.report_output import json_option, print_data, say, write_output
from custdyn_widgets.cli.snapshots import change_each, verify_stored
from custdyn_widgets.errors import SettingsError, is_address

if TYPE_CHECKING:
    from custdyn_widgets.snapshots import signing

_FILE = LocalPath(dir_okay=False)


@click.group("key")
def key_group() -> None:
    """Manage the key that signs snapshots."""


@key_group.command("new")
@click.argument("file", required=False, type=_FILE)
def key_new(file: Path | None) -> None:
    """Create a private key and print its public key.

    FILE defaults to CUSTDYN_SIGNING_KEY, or else to signing_key.pem in your data folder. Only you can read
    it. Back it up: without it, nobody can sign as this operator.
    """
    from custdyn_widgets.snapshots import pem, signing

    current = settings.load()
    path = (file.absolute() if file else current.signing_key) or settings.default_signing_key()
    key = signing.new_key(path, current.snapshots)
    say(f"Private key: {path}")
    if current.signing_key != path:
        say(
            f"To sign every snapshot from now on, add to custdyn.toml:\nsigning_key = {json.dumps(str(path))}"
        )
    say(f"Public key; give it to recipients through a channel that they trust: {key.public}")
    click.echo(pem(key.public).decode(), nl=False)


@key_group.command("show")
@json_option("Print the store's public keys as JSON.")
def key_show(as_json: bool) -> None:
    """Print the public keys that have signed snapshots in the store, newest first, in PEM."""
    from custdyn_widgets.snapshots import pem, signatures
    from custdyn_widgets.text import format_instant_utc

    current = settings.load()
    keys = signatures.published_keys(current.snapshots)
    own = _signing_key().public if current.signing_key else None
    if as_json:
        found = [{"key": one.key, "since": format_instant_utc(one.since)} for one in keys]
        click.echo(json.dumps({"current": own, "used": found}, indent=1))
        return
    for one in keys:
        say(f"{one.key}, in use since {format_instant_utc(one.since)}:")
        click.echo(pem(one.key).decode(), nl=False)
    if own and all(one.key != own for one in keys):
        say(f"{own}, not used yet:")
        click.echo(pem(own).decode(), nl=False)
    if not keys and not own:
        say("No snapshot is signed. Make a key with `custdyn snapshots key new`.")


@click.command("sign")
@click.argument("given", metavar="ID...", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Replace a signature made with another key, or a damaged one.")
def sign_command(given: tuple[str, ...], replace: bool) -> None:
    """Sign snapshots that you froze without a key, or with another key. Their ids and links stay the same."""
    from custdyn_widgets.snapshots import Store, grouped, signatures

    key = _signing_key()
    store = Store(settings.load().snapshots)

    def sign(snapshot_id: str) -> str:
        is_new = signatures.sign(store, snapshot_id, key, replace=replace)
        return f"{'Signed' if is_new else 'Already signed'} with {grouped(key.public)}: {snapshot_id}."

    change_each(given, sign)


@click.command("export")
@click.argument("given", metavar="ID")
@click.argument("file", metavar="FILE.zip", type=_FILE)
def export_command(given: str, file: Path) -> None:
    """Write a snapshot to a ZIP that can be verified without the store."""
    from custdyn_widgets.snapshots import Store, exporting, id_in

    data = exporting.snapshot_zip(Store(settings.load().snapshots), id_in(given))
    write_output(file, data)
    say(f"Wrote {file} ({len(data):,} bytes).")


@click.command("verify")
@click.argument("given", metavar="[ID|FILE.zip]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Verify all snapshots (the default if no IDs are given).")
@click.option(
    "--key", metavar="KEY", help="The operator's public key for FILE.zip: a PEM file or hexadecimal digits."
)
@json_option()
def verify_command(given: tuple[str, ...], every: bool, key: str | None, as_json: bool) -> None:
    """Compare the given (or all) snapshots byte by byte with what was published. Exit 1 if any differ.

    A FILE.zip is a downloaded or exported snapshot, which is checked without the store. The exit code is 0
    only if every byte is as published and signed with the given key. It is 1 if anything differs or the file
    was signed with another key, and 3 if nothing is wrong but nothing can be proven, because there is no
    signature or no --key was given.
    """
    zips = [text for text in given if text.lower().endswith(".zip")]
    if not zips:
        if key is not None:
            raise click.UsageError(
                "--key is only for a FILE.zip; the signatures of stored snapshots are checked without it."
            )
        verify_stored(given, every, as_json)
        return
    if len(given) > 1 or every:
        raise click.UsageError("Give one FILE.zip and nothing else.")
    for text, what in ((zips[0], "FILE.zip"), (key or "", "--key")):
        if is_address(text):
            raise click.BadParameter("must be a path on this machine, not an address.", param_hint=what)
    from custdyn_widgets.snapshots import check_zip, trusted_keys

    try:
        keys = trusted_keys(key) if key is not None else []
    except ValueError as error:
        raise click.BadParameter(f"{key} {error}", param_hint="--key") from error
    try:
        verdict = check_zip(Path(zips[0]), keys)
    except OSError as error:  # not exit code 1, which is a verdict
        raise click.UsageError(f"{zips[0]} cannot be read: {error.strerror}.") from error
    text = json.dumps(verdict.to_dict(), indent=1) if as_json else verdict.text()
    print_data(f"{text}\n".encode("utf-8", "replace"))
    raise click.exceptions.Exit(verdict.exit_code)


@click.command("verifier")
@click.argument("file", metavar="FILE.pyz", type=_FILE)
def verifier_command(file: Path) -> None:
    """Write the ZIP verifier to a single file that runs on Python 3.11 or newer without any packages."""
    from custdyn_widgets.snapshots import exporting

    write_output(file, exporting.standalone_verifier())
    say(f"Wrote {file}. Run it with: python3 {file.name} FILE.zip --key KEY")


def _signing_key() -> signing.SigningKey:
    from custdyn_widgets.snapshots import signing

    current = settings.load()
    if current.signing_key is None:
        raise SettingsError(
            "No signing key is set. Set CUSTDYN_SIGNING_KEY, or signing_key in custdyn.toml, to the path "
            "of a key; `custdyn snapshots key new` makes one.",
            field="signing_key",
        )
    return signing.load_key(current.signing_key, current.snapshots)
