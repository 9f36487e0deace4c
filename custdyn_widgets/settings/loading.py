"""Reading the settings from the environment and `custdyn.toml`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SettingsError, has_password, is_address, mask_value, nearest, shown
from custdyn_widgets.settings.settings import PAPERS, Settings
from custdyn_widgets.text import is_base_url

CONFIG_NAME = "custdyn.toml"
_APP = "custdyn"
_PATHS = ("snapshots", "queries", "my_queries", "runs", "cache", "sources", "last_choice", "marts")
_FILES = {"sources": "sources.toml", "last_choice": "last_choice.json"}
_TEXTS = (
    "share_url", "role", "smtp_url", "mail_from", "failure_recipients", "webhook_url", "webhook_events",
    "client_type", "timezone", "spark", "embed_origins",
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
    for name in (*_PATHS, "signing_key"):
        values[name] = _given_path(name, env, stored, config)
    values |= _usual_paths([name for name in _PATHS if values[name] is None])
    for name in _TEXTS:
        text = env.get(f"CUSTDYN_{name.upper()}") or stored.get(name)
        if text:
            values[name] = text.rstrip("/") if name == "share_url" else text
    values["viewer_url"] = env.get("CUSTDYN_VIEWER_URL", "").rstrip("/") or None
    for name, choices in (("evidence", ("on", "off")), ("pdf", ("off", "on"))):
        values[name] = _choice(name, choices, env, stored) == "on"
    values["paper"] = _choice("paper", PAPERS, env, stored)
    values["extensions"] = _extensions(env, stored, config)
    for name in ("share_url", "viewer_url"):
        _check_address(f"CUSTDYN_{name.upper()}", values.get(name))
    return Settings(**values)  # type: ignore[arg-type]  # names and types match the dataclass


def default_signing_key() -> Path:
    """Return the path where a new signing key is stored if the settings do not name a file."""
    import platformdirs  # imported late: few commands need it

    return platformdirs.user_data_path(_APP) / "signing_key.pem"


def _find_config(env: Mapping[str, str], folder: Path) -> Path | None:
    named = env.get("CUSTDYN_CONFIG")
    if named:
        path = _local_path("CUSTDYN_CONFIG", named, Path.cwd())
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
    import tomllib  # imported late: many users have no file

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


def _given_path(
    name: str, env: Mapping[str, str], stored: Mapping[str, Any], config: Path | None
) -> Path | None:
    """Return the path from the environment, or else from the file; None if neither has it."""
    given = env.get(f"CUSTDYN_{name.upper()}")
    if given:
        return _local_path(f"CUSTDYN_{name.upper()}", given, Path.cwd())
    if config and name in stored:
        return _local_path(f"{config.name}: {name}", stored[name], config.parent)
    return None


def _usual_paths(names: Sequence[str]) -> dict[str, Path]:
    """Return the default paths."""
    if not names:
        return {}
    try:
        import platformdirs  # imported late: needed only outside a checkout
    except ImportError:  # a host that only runs the viewer uses no folder except the store
        if "snapshots" in names:
            raise SettingsError(
                "CUSTDYN_SNAPSHOTS is not set. Set it to the folder of the snapshot store: there is no "
                "default without the platformdirs package.",
                field="snapshots",
            ) from None
        return {name: Path("/nonexistent", _APP, name) for name in names}
    data = platformdirs.user_data_path(_APP)
    paths = {name: data / _FILES.get(name, name) for name in names}
    return {**paths, "cache": platformdirs.user_cache_path(_APP)} if "cache" in names else paths


def _local_path(setting: str, given: str, base: Path) -> Path:
    if not given.strip() or is_address(given):  # a URL is not shown: it may contain a password
        what = "a URL" if given.strip() else "blank"
        raise SettingsError(f"{setting} must be a path on this machine, not {what}.", field=setting)
    return (base / _expanded(setting, given)).absolute()


def _expanded(setting: str, path: str) -> Path:
    """Return a path, with a leading `~` or `~name` replaced by the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # the user is unknown or has no home folder
        raise SettingsError(
            f"{setting} names {shown(path)}, but the home folder that ~ stands for is unknown. Use the full "
            "path.",
            field=setting,
        ) from None


def _extensions(env: Mapping[str, str], stored: Mapping[str, Any], config: Path | None) -> tuple[str, ...]:
    """Return the extensions from the environment, or else from the file, with absolute paths."""
    given = env.get("CUSTDYN_EXTENSIONS")
    if given:
        setting, base = "CUSTDYN_EXTENSIONS", Path.cwd()
        names = [part for part in given.split(os.pathsep) if part]
        _check_listed(given, names, setting)
    else:
        setting, base = "extensions", config.parent if config else Path()
        names = stored.get("extensions", [])
    return tuple(
        str((base / _expanded(setting, name)).absolute()) if name.endswith(".py") else name for name in names
    )


def _check_listed(given: str, names: list[str], setting: str) -> None:
    """Raise an error unless each part of a list is an extension; a list with a password is not shown."""
    try:
        if not has_password(given):
            _check_extensions(names, setting)
            return
    except SettingsError:
        if mask_value(given) == given:
            raise
    raise SettingsError(f"{setting} must not contain a password.", field="extensions")


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
                f"{where}: an extension must be the path of a .py file (without {shown(os.pathsep)}) or the "
                f"name of an installed module, not {shown(name)}.",
                field="extensions",
            )


def _check_address(setting: str, value: object) -> None:
    """Raise an error unless this is a valid base URL for links."""
    if value is None:
        return
    address = str(value)
    if not address.startswith(("http://", "https://")):
        raise SettingsError(
            f"{setting} must start with http:// or https://, not {shown(value)}.", field=setting
        )
    if not is_base_url(address):
        raise SettingsError(
            f"{setting} must be a URL without a user name, password, query or spaces, such as "
            "https://reports.example or https://reports.example:8443/path.",
            field=setting,
        )
