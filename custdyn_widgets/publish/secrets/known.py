"""Secrets that must not appear in a snapshot, such as source addresses, passwords, tokens and paths.

The search looks for the text of:

- the addresses `CUSTDYN_SOURCE_<NAME>_URL` and `DATABASE_URL`, and those in JupySQL's `connections.ini`: in
  full, without credentials, with the password masked, and as host and database;
- the passwords in these addresses and in any address in another variable, alone and together with the user
  name, as written, percent-decoded, and encoded for HTTP Basic authentication;
- the values of variables whose names end in PASSWORD, PASSWD, PASSPHRASE, SECRET, TOKEN, APIKEY, API_KEY,
  ACCESS_KEY, SECRET_KEY, PRIVATE_KEY, _PASS or _PWD;
- the source passwords in `CUSTDYN_PASSWORD_<NAME>`, in the files named by `CUSTDYN_PASSWORD_<NAME>_FILE`, and
  in `~/.pgpass`, `~/.my.cnf` and `~/.aws/credentials`;
- the contents of the files with the mail server's password or token, the webhook's secret and the token for
  the viewer's metrics;
- the webhook's address, in full and without its scheme and host, because it may contain a token;
- the private key that signs snapshots;
- the paths of the snapshot store and the user's home folder.

A secret of eight characters or more is found even within a word. One of six or seven characters, or one
that consists only of digits, is found only as a separate word or number, because it may occur by chance in
words and amounts. Shorter ones are ignored, because a password such as `2021` would block every report for
that year. Reports show the role and the source's name, so a password identical to either is ignored unless
the user name precedes it.

Only complete paths are found: `/home/anna` is not found in `/home/annabel` or `/old/home/anna`. A path with a
single component, such as `/data`, is found only if another component follows, because `/data` may also mean
"or data"; the root folder is ignored. `share_url` is public, so the search ignores it.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, unquote_plus

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.settings import Settings

_MIN_LENGTH = 6
_ANYWHERE = 8
_TOKEN_LENGTH = 16
_SOURCE_URL = re.compile(r"CUSTDYN_SOURCE_(.+)_URL")
_SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|(ACCESS|SECRET|PRIVATE)_KEY|_PASS|_PWD)\Z",
    re.IGNORECASE,
)
_URL = re.compile(r"(?P<scheme>[\w+.-]+://)(?:(?P<user>[^:/@]*)(?::(?P<password>.*))?@)?(?P<rest>.*)", re.S)
_SOURCE_PASSWORD = re.compile(r"CUSTDYN_PASSWORD_(.+?)(_FILE)?")
_SECRET_FILES = (
    "CUSTDYN_SMTP_PASSWORD_FILE",
    "CUSTDYN_SMTP_TOKEN_FILE",
    "CUSTDYN_WEBHOOK_SECRET_FILE",
    "CUSTDYN_METRICS_TOKEN_FILE",
)
_CLIENT_FILES = {
    ".pgpass": re.compile(r"^(?!#)(?:(?:[^:\\\n]|\\.)*:){4}(.+)$", re.MULTILINE),
    ".my.cnf": re.compile(r"^\s*password\s*=\s*(.+?)\s*$", re.MULTILINE),
    ".aws/credentials": re.compile(
        r"^\s*aws_(?:secret_access_key|session_token)\s*=\s*(.+?)\s*$", re.MULTILINE
    ),
}
STORE_PATH = "the path of the snapshot store"
_CONNECTIONS = Path(".jupysql", "connections.ini")


@dataclass(frozen=True)
class Secret:
    """Text that must not appear in a snapshot.

    Attributes
    ----------
    kind
        A description that may be shown: `the password for source SHOP`.
    text
        The secret itself, which must never be shown.
    pattern
        A regular expression that matches the text where it counts as a secret; empty if it counts everywhere.
    """

    kind: str
    text: str = field(repr=False)
    pattern: str = field(default="", repr=False)

    def is_in(self, text: str) -> bool:
        """Return whether text contains the secret."""
        return self.text in text and (not self.pattern or re.search(self.pattern, text) is not None)

    def redact(self, text: str) -> str:
        """Return text with the secret replaced by its kind."""
        return re.sub(self.pattern or re.escape(self.text), lambda _: f"[{self.kind}]", text)


def known_secrets(
    settings: Settings, *folders: Path, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> list[Secret]:
    """Return the secrets that this process must not publish in a snapshot.

    Parameters
    ----------
    settings
        The settings, including the store and the links' base URL, which is public.
    folders
        Folders of other stores.
    environ
        The environment variables. Defaults to those of this process.
    home
        The user's home folder. Defaults to that of this process.

    Raises
    ------
    SnapshotError
        If `connections.ini` cannot be parsed, which leaves its secrets unknown.
    """
    env = os.environ if environ is None else environ
    home = _home() if home is None else home
    found = [*_of_environment(env), *_of_webhook(settings.webhook_url or "")]
    if home:
        found += _of_connections(home)
        found += _of_client_files(home)
    if settings.signing_key:
        found += _of_signing_key(settings.signing_key)
    for folder in (settings.snapshots, *folders):
        found += _path(STORE_PATH, folder)
    if home:
        found += _path("the path of the home folder", home)
    shown = {settings.role, *_names_of_sources(env)}
    public = settings.share_url or ""
    first: dict[str, Secret] = {}
    for secret in found:
        if secret.text not in public and secret.text not in shown:
            first.setdefault(secret.text, secret)
    return list(first.values())


def _of_signing_key(path: Path) -> Iterator[Secret]:
    with contextlib.suppress(OSError):  # nothing is published if the key cannot be read
        for line in path.read_bytes().decode("ascii", "replace").splitlines():
            if line and not line.startswith("-"):
                yield Secret("the signing key", line)


def _names_of_sources(env: Mapping[str, str]) -> Iterator[str]:
    for pattern in (_SOURCE_URL, _SOURCE_PASSWORD):
        for source in filter(None, map(pattern.fullmatch, env)):
            yield from (source[1], source[1].lower())


def _of_environment(env: Mapping[str, str]) -> Iterator[Secret]:
    for name, value in env.items():
        source = _SOURCE_URL.fullmatch(name)
        if source:
            yield from _address(f"for source {source[1]}", value.strip())
        elif password := _SOURCE_PASSWORD.fullmatch(name):
            text = _content(Path(value)).rstrip("\r\n") if password[2] else value
            yield from _secret(f"the password for source {password[1]}", text)
        elif name in _SECRET_FILES:
            yield from _secret(f"the content of {name}", _content(Path(value)).rstrip("\r\n"))
        elif name == "DATABASE_URL":
            yield from _address(f"in {name}", value.strip())
        elif _SECRET_NAME.search(name):
            yield from _secret(f"the value of {name}", value.strip())
        else:
            yield from _passwords_in(f"in {name}", value.strip())


def _of_webhook(url: str) -> Iterator[Secret]:
    rest = url.partition("://")[2]
    for text in (url, rest.partition("/")[2], rest.partition("?")[2]):
        if len(text) >= _TOKEN_LENGTH:  # a shorter path, such as `custdyn`, may be an ordinary word
            yield from _secret("the webhook's address", text)


def _address(whose: str, url: str) -> Iterator[Secret]:
    """Yield the secrets in an address, with passwords first for a more precise error message."""
    yield from _passwords_in(whose, url)
    parts = _URL.fullmatch(url)
    if not parts or not parts["rest"]:
        yield from _secret(f"the address {whose}", url)
        return
    scheme, user, password, rest = parts.group("scheme", "user", "password", "rest")
    place, _, options = rest.partition("?")
    for key, value in parse_qsl(options):
        if _SECRET_NAME.search(key):
            yield from _secret(f"the password {whose}", value)
    known = [url, url.partition("?")[0], f"{scheme}{rest}", f"{scheme}{place}"]
    if user and password:
        known += [f"{scheme}{user}:***@{rest}", f"{scheme}{user}:***@{place}"]
    if not place.startswith("/") and place.partition("/")[2]:
        known.append(place)
    for text in known:
        yield from _secret(f"the address {whose}", text)


def _passwords_in(whose: str, url: str) -> Iterator[Secret]:
    parts = _URL.fullmatch(url)
    if parts and parts["password"]:
        # Drivers differ on whether a password may contain an unescaped @, so both interpretations are used.
        for reading in {parts["password"], parts["password"].split("@")[0]}:
            yield from _password(whose, parts["user"], reading)


def _password(whose: str, user: str, password: str) -> Iterator[Secret]:
    for decoded in (str, unquote, unquote_plus):
        login = f"{decoded(user)}:{decoded(password)}"
        as_header = base64.b64encode(login.encode("utf-8", "surrogateescape")).decode("ascii")
        for text in (decoded(password), login, as_header):
            yield from _secret(f"the password {whose}", text)


def _of_client_files(home: Path) -> Iterator[Secret]:
    """Yield the passwords in the configuration files of database clients."""
    for name, pattern in _CLIENT_FILES.items():
        for match in pattern.finditer(_content(home / name)):
            for password in {
                match[1],
                match[1].strip("'\""),
                match[1].replace("\\:", ":").replace("\\\\", "\\"),
            }:
                yield from _secret(f"a password in ~/{name}", password)


def _content(file: Path) -> str:
    """Return the text of a file, or "" if it cannot be read, in which case no report can contain it."""
    try:
        return file.expanduser().read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, RuntimeError):  # RuntimeError: no account has the name after ~
        return ""


def _of_connections(home: Path) -> Iterator[Secret]:
    """Yield the secrets in JupySQL's `connections.ini`."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string((home / _CONNECTIONS).read_text(encoding="utf-8"))
    except OSError:  # missing or unreadable, so this user's notebooks cannot read it either
        return
    except (UnicodeDecodeError, configparser.Error):  # the parser's message would show the line
        raise SnapshotError.not_published(
            ".jupysql/connections.ini in the home folder is not a valid INI file, so the report cannot be "
            "checked for its passwords"
        ) from None
    for name, section in parser.items():
        # JupySQL interpolates values: a doubled percent sign stands for a single one.
        values = {key: value.replace("%%", "%") for key, value in section.items()}
        whose = f"for connection {name}"
        if values.get("password"):
            yield from _password(whose, values.get("username", ""), values["password"])
        for key, value in values.items():
            if _SECRET_NAME.search(key):
                yield from _secret(f"the password {whose}", value)
            elif "://" in value:
                yield from _address(whose, value)
        if values.get("host") and values.get("database"):
            port = f":{values['port']}" if values.get("port") else ""
            yield from _secret(f"the address {whose}", f"{values['host']}{port}/{values['database']}")


def _secret(kind: str, written: str) -> Iterator[Secret]:
    for text in _forms(written):
        if len(text) >= _ANYWHERE and not text.isdigit():
            yield Secret(kind, text)
        elif len(text) >= _MIN_LENGTH:
            yield Secret(kind, text, rf"(?<!\w)(?<!\d[.,]){re.escape(text)}(?!\w|[.,]\d)")


def _path(kind: str, folder: Path) -> Iterator[Secret]:
    for path in {folder.absolute(), folder.resolve()}:
        names = len(path.parts) - 1
        end = r"(?!\w|[.-]\w)" if names > 1 else r"/[\w.~-]"
        for text in _forms(str(path)) if names else ():
            yield Secret(kind, text, rf"(?<![\w.~-]){re.escape(text)}{end}")


def _forms(text: str) -> set[str]:
    """Return text as written and in Unicode form NFC, because some systems change how accents are encoded."""
    return {text, unicodedata.normalize("NFC", text)}


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # an account without a home folder
        return None
