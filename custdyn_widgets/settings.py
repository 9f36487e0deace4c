"""Settings: where to find the snapshot store, the saved queries and the cache, and where links point.

A setting comes from the environment, then from the nearest `custdyn.toml` in the working folder or a parent
(or the file that `CUSTDYN_CONFIG` names), then from a default in the user's own folders. Settings are read
when needed, never on import, so that tests, kernels and servers can each have their own.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SettingsError, nearest, shown
from custdyn_widgets.text import is_base_url

CONFIG_NAME = "custdyn.toml"
_APP = "custdyn"
VIEWER_HOST = "127.0.0.1"
VIEWER_PORT = 8899
_USUAL_VIEWER = f"http://{VIEWER_HOST}:{VIEWER_PORT}"
PAPERS = ("A4", "letter")


@dataclass(frozen=True)
class Settings:
    """The settings.

    Attributes
    ----------
    snapshots, queries, cache
        Folders: the snapshot store, the shared saved queries, and data that can be rebuilt.
    share_url
        The base URL of links, without a trailing slash; None for the local viewer.
    viewer_url
        The base URL of links if there is no `share_url`; a Jupyter Server that serves links sets it.
    runs
        The folder of records of unattended runs, which contain recipients' addresses.
    smtp_url, mail_from
        The mail server for outgoing messages, and their sender; see `mail.MailServer`.
    role
        The role that reports show as their author; never an account name.
    extensions
        Modules that register custom metrics and chart presets, imported before the first report: names of
        installed modules or absolute paths to `.py` files. Their code is executed.
    config
        The `custdyn.toml` that was read, or None.
    sources
        The file that defines named sources; it need not exist.
    failure_recipients
        Who is notified of a failed run whose saved query names nobody or cannot be read; separated by commas.
    webhook_url, webhook_events
        Where events of runs are posted, and which: `failures` (the default) or `all`; see `Webhook`.
    client_type, timezone
        The values with which the form starts until the user runs a query with others; None for defaults.
    last_choice
        The file that stores the client type and time zone of the form's last query.
    my_queries
        The folder of the user's own saved queries; `queries` is the folder of the shared ones.
    marts
        The folder of the marts that `custdyn sync` reads from databases.
    evidence
        Whether snapshots keep evidence of clients' contributions for `custdyn snapshots diff --clients`.
    spark
        The cluster of the spark engine: a master such as `yarn`, `spark://host:7077` or `local[4]`, or the
        address of a Spark Connect server, `sc://host:15002`, without a token.
    embed_origins
        The origins of pages that may show reports of `custdyn serve` in a frame, separated by spaces.
    pdf, paper
        Whether every snapshot gets a PDF of its page, `on` or `off`; and its paper, `A4` or `letter`.
    signing_key
        The file of the private key that signs snapshots, or None; see `snapshots.signing`.
    """

    snapshots: Path
    queries: Path
    cache: Path
    share_url: str | None = None
    role: str = "analyst"
    extensions: tuple[str, ...] = ()
    config: Path | None = None
    sources: Path | None = None
    my_queries: Path | None = None
    runs: Path | None = None
    viewer_url: str | None = None
    smtp_url: str | None = None
    mail_from: str | None = None
    failure_recipients: str | None = None
    webhook_url: str | None = field(default=None, repr=False)  # it may contain a token
    webhook_events: str | None = None
    client_type: str | None = None
    timezone: str | None = None
    last_choice: Path | None = None
    marts: Path | None = None
    evidence: bool = True
    spark: str | None = None
    embed_origins: str | None = None
    pdf: bool = False
    paper: str = PAPERS[0]
    signing_key: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return environment variables that pass these settings to another process, with absolute paths."""
        handed = {
            "CUSTDYN_SNAPSHOTS": str(self.snapshots),
            "CUSTDYN_QUERIES": str(self.queries),
            "CUSTDYN_CACHE": str(self.cache),
            "CUSTDYN_ROLE": self.role,
            "CUSTDYN_EVIDENCE": "on" if self.evidence else "off",
            "CUSTDYN_PDF": "on" if self.pdf else "off",
            "CUSTDYN_PAPER": self.paper,
        }
        if self.extensions:
            handed["CUSTDYN_EXTENSIONS"] = os.pathsep.join(self.extensions)
        for name in _HANDED_IF_SET:
            if value := getattr(self, name):
                handed[f"CUSTDYN_{name.upper()}"] = str(value)
        return handed

    def link(self, snapshot_id: str) -> str:
        """Return a link to a snapshot, under `share_url` if set and otherwise to the local viewer."""
        return f"{self.share_url or self.viewer_url or _USUAL_VIEWER}/view?id={snapshot_id}"


_PATHS = ("snapshots", "queries", "my_queries", "runs", "cache", "sources", "last_choice", "marts")
_FILES = {"sources": "sources.toml", "last_choice": "last_choice.json"}
_TEXTS = (
    "share_url", "role", "smtp_url", "mail_from", "failure_recipients", "webhook_url", "webhook_events",
    "client_type", "timezone", "spark", "embed_origins",
)  # fmt: skip
_HANDED_IF_SET = (
    "share_url", "viewer_url", "sources", "my_queries", "runs", "config", "client_type", "timezone",
    "last_choice", "marts", "spark", "signing_key",
)  # fmt: skip


def load(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    environ
        The environment variables. Defaults to `os.environ`.
    folder
        The folder in which the search for `custdyn.toml` starts. Defaults to the current working directory.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not valid TOML, has an unknown key, or has a value of the wrong
        type; or if a base URL for links is not valid.
    """
    env = os.environ if environ is None else environ
    config = _find_config(env, (folder or Path.cwd()).absolute())
    stored = _read_config(config) if config else {}
    values: dict[str, object] = {"config": config}
    for name in _PATHS:
        values[name] = _path(name, env, stored, config)
    for name in _TEXTS:
        text = env.get(f"CUSTDYN_{name.upper()}") or stored.get(name)
        if text:
            values[name] = text.rstrip("/") if name == "share_url" else text
    values["viewer_url"] = env.get("CUSTDYN_VIEWER_URL", "").rstrip("/") or None
    for name, choices in (("evidence", ("on", "off")), ("pdf", ("off", "on"))):
        values[name] = _choice(name, choices, env, stored) == "on"
    values["paper"] = _choice("paper", PAPERS, env, stored)
    if env.get("CUSTDYN_SIGNING_KEY") or "signing_key" in stored:
        values["signing_key"] = _path("signing_key", env, stored, config)
    values["extensions"] = _extensions(env, stored, config)
    for name in ("share_url", "viewer_url"):
        _check_address(f"CUSTDYN_{name.upper()}", values.get(name))
    return Settings(**values)  # type: ignore[arg-type]  # the names and types are those of the dataclass


def default_signing_key() -> Path:
    """Return where a new signing key goes if the settings name no file."""
    import platformdirs  # imported late: few commands need it

    return platformdirs.user_data_path(_APP) / "signing_key.pem"


def _find_config(env: Mapping[str, str], folder: Path) -> Path | None:
    named = env.get("CUSTDYN_CONFIG")
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise SettingsError(
                f"CUSTDYN_CONFIG names {shown(named)}, which is not a file.", field="CUSTDYN_CONFIG"
            )
        return path
    for place in (folder, *folder.parents):
        if (place / CONFIG_NAME).is_file():
            return place / CONFIG_NAME
    return None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.") from error
    known = [f.name for f in fields(Settings) if f.name not in ("config", "viewer_url")]
    for key, value in stored.items():
        if key not in known:
            close = nearest(key, known)
            hint = f" Did you mean {shown(close[0])}?" if close else f" Known keys: {', '.join(known)}."
            raise SettingsError(f"{path.name} has an unknown key {shown(key)}.{hint}", field=key)
        if key == "extensions":
            _check_extensions(value, path.name)
        elif not isinstance(value, str):
            raise SettingsError(f"{path.name}: {key} must be text, not {shown(value)}.", field=key)
    return stored


def _path(name: str, env: Mapping[str, str], stored: Mapping[str, Any], config: Path | None) -> Path:
    given = env.get(f"CUSTDYN_{name.upper()}")
    if given:
        return _local_path(f"CUSTDYN_{name.upper()}", given, Path.cwd())
    if config and name in stored:
        return _local_path(f"{config.name}: {name}", stored[name], config.parent)
    import platformdirs  # imported late: needed only outside a checkout

    if name == "cache":
        return platformdirs.user_cache_path(_APP)
    return platformdirs.user_data_path(_APP) / _FILES.get(name, name)


def _local_path(setting: str, given: str, base: Path) -> Path:
    if not given.strip() or "://" in given:  # a URL is not shown: it may contain a password
        what = "a URL" if given.strip() else "empty"
        raise SettingsError(f"{setting} must be a path on this machine, not {what}.", field=setting)
    try:
        return (base / Path(given).expanduser()).absolute()
    except RuntimeError:  # `~` of an unknown user
        raise SettingsError(
            f"{setting} is {shown(given)}, but this machine has no such user. Write the full path.",
            field=setting,
        ) from None


def _extensions(env: Mapping[str, str], stored: Mapping[str, Any], config: Path | None) -> tuple[str, ...]:
    """Return the extensions, with absolute paths: from the environment, or else from the file."""
    given = env.get("CUSTDYN_EXTENSIONS")
    if given:
        base, names = Path.cwd(), [part for part in given.split(os.pathsep) if part]
        _check_extensions(names, "CUSTDYN_EXTENSIONS")
    else:
        base, names = config.parent if config else Path(), stored.get("extensions", [])
    return tuple(
        str((base / Path(name).expanduser()).absolute()) if name.endswith(".py") else name for name in names
    )


def _choice(name: str, choices: tuple[str, ...], env: Mapping[str, str], stored: Mapping[str, Any]) -> str:
    """Return a setting that allows only a few values; the first one is the default."""
    given = env.get(f"CUSTDYN_{name.upper()}")
    where, value = (f"CUSTDYN_{name.upper()}", given) if given else (name, stored.get(name, choices[0]))
    if value not in choices:
        listed = '" or "'.join(choices)
        raise SettingsError(f'{where} must be "{listed}", not {shown(value)}.', field=where)
    return str(value)


def _check_extensions(value: object, where: str) -> None:
    """Raise an error unless the value is a list of modules and files."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise SettingsError(
            f'{where}: extensions must be a list of strings such as ["own_metrics.py"], not {shown(value)}.',
            field="extensions",
        )
    for name in value:
        is_file = name.endswith(".py") and os.pathsep not in name
        if not is_file and not all(part.isidentifier() for part in name.split(".")):
            raise SettingsError(
                f"{where}: an extension is the path of a .py file (without {shown(os.pathsep)}) or the name "
                f"of an installed module, not {shown(name)}.",
                field="extensions",
            )


def _check_address(setting: str, value: object) -> None:
    """Raise an error unless this is a valid base URL for links."""
    if value is None:
        return
    address = str(value)
    if not address.startswith(("http://", "https://")):
        raise SettingsError(
            f"{setting} must begin with http:// or https://, not {shown(value)}.", field=setting
        )
    if not is_base_url(address):
        raise SettingsError(
            f"{setting} must be a URL without a user name, password, query or spaces, such as "
            "https://reports.example or https://reports.example:8443/path.",
            field=setting,
        )
