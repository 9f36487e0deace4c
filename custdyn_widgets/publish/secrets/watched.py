"""What a snapshot must not contain: addresses and passwords of sources, other secrets, and paths.

Searched for are, by their text:

- the addresses `CUSTDYN_SOURCE_<NAME>_URL` and `DATABASE_URL`, and those of the sections of JupySQL's
  `connections.ini`: whole, without what gives access, with a password starred out, and as host and database;
- the passwords in them and in an address of any other variable, and user and password together, as written
  and percent-decoded, and both as HTTP's Basic login has them;
- the values of variables whose names end in PASSWORD, PASSWD, PASSPHRASE, SECRET, TOKEN, APIKEY, API_KEY,
  ACCESS_KEY, SECRET_KEY, PRIVATE_KEY, _PASS or _PWD;
- the folders of the snapshot store and of the person's home.

A secret of eight characters or more is found anywhere. One of six or seven, or of digits alone, only where
no letter, digit or decimals stand beside it, or it would be found in words and amounts that tell nothing.
Shorter ones are not looked for: a password `2021` would forbid every report of that year. Nor is one that is
the role or the name of a source, which every report says; with its user before it, it is still found.

A folder is found as a whole (`/home/anna` is not in `/home/annabel` nor in `/old/home/anna`). Where its path
is one name, such as `/root`, only what lies below it counts, because `/data` is also a way to write
"or data"; the root itself is not a secret. The value of `share_url` is public.
"""

from __future__ import annotations

import base64
import configparser
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl, unquote, unquote_plus

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.settings import Settings

_LEAST = 6
_ANYWHERE = 8
_SOURCE_URL = re.compile(r"CUSTDYN_SOURCE_(.+)_URL")
_SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|(ACCESS|SECRET|PRIVATE)_KEY|_PASS|_PWD)\Z",
    re.IGNORECASE,
)
_URL = re.compile(r"(?P<scheme>[\w+.-]+://)(?:(?P<user>[^:/@]*)(?::(?P<password>.*))?@)?(?P<rest>.*)", re.S)
_CONNECTIONS = Path(".jupysql", "connections.ini")


@dataclass(frozen=True)
class Watched:
    """A text that no snapshot may hold.

    Attributes
    ----------
    kind
        A description that may be shown: `the password of the source SHOP`.
    text
        The text itself, which is never shown.
    pattern
        A regular expression for where the text counts; empty for everywhere.
    """

    kind: str
    text: str
    pattern: str = ""

    def __repr__(self) -> str:
        return f"Watched({self.kind!r})"

    def found_in(self, searched: str) -> bool:
        """Return whether a text contains it."""
        return self.text in searched and (not self.pattern or self._compiled.search(searched) is not None)

    def replaced_in(self, searched: str) -> str:
        """Return a text with the description in place of the secret."""
        pattern = self._compiled if self.pattern else re.compile(re.escape(self.text))
        return pattern.sub(lambda _: f"[{self.kind}]", searched)

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


def watched(
    in_force: Settings, *folders: Path, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> list[Watched]:
    """Return what a snapshot published from here must not contain.

    Parameters
    ----------
    in_force
        The settings: the store, and the address of links, which is public.
    folders
        Further folders of stores.
    environ
        The environment; default: this process's.
    home
        The person's home; default: that of this process.

    Raises
    ------
    SnapshotError
        If `connections.ini` cannot be parsed, so that its passwords are unknown.
    """
    env = os.environ if environ is None else environ
    home = _home() if home is None else home
    found = [*_of_environment(env), *_of_connections(home)]
    for folder in (in_force.snapshots, *folders):
        found += _folder("the path of the snapshot store", folder)
    found += _folder("the path of the home folder", home)
    said = {in_force.role, *_names_of_sources(env)}
    public = in_force.share_url or ""
    first: dict[str, Watched] = {}
    for watch in found:
        if watch.text not in public and watch.text not in said:
            first.setdefault(watch.text, watch)
    return list(first.values())


def _names_of_sources(env: Mapping[str, str]) -> Iterator[str]:
    for source in filter(None, map(_SOURCE_URL.fullmatch, env)):
        yield from (source[1], source[1].lower())


def _of_environment(env: Mapping[str, str]) -> Iterator[Watched]:
    for name, value in env.items():
        source = _SOURCE_URL.fullmatch(name)
        if source:
            yield from _address(f"of the source {source[1]}", value.strip())
        elif name == "DATABASE_URL":
            yield from _address(f"in {name}", value.strip())
        elif _SECRET_NAME.search(name):
            yield from _secret(f"the value of {name}", value.strip())
        else:
            yield from _passwords_in(f"in {name}", value.strip())


def _address(whose: str, url: str) -> Iterator[Watched]:
    """Yield the secrets of an address; passwords first, because they make the clearer error."""
    parts = _URL.fullmatch(url)
    if not parts or not parts["rest"]:
        yield from _secret(f"the address {whose}", url)
        return
    yield from _passwords_in(whose, url)
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


def _passwords_in(whose: str, url: str) -> Iterator[Watched]:
    parts = _URL.fullmatch(url)
    if parts and parts["password"]:
        # Drivers differ on whether a password may contain an unescaped @: both readings are watched.
        for reading in {parts["password"], parts["password"].split("@")[0]}:
            yield from _password(whose, parts["user"], reading)


def _password(whose: str, user: str, password: str) -> Iterator[Watched]:
    for decoded in (str, unquote, unquote_plus):
        login = f"{decoded(user)}:{decoded(password)}"
        as_header = base64.b64encode(login.encode("utf-8", "surrogateescape")).decode("ascii")
        for text in (decoded(password), login, as_header):
            yield from _secret(f"the password {whose}", text)


def _of_connections(home: Path | None) -> Iterator[Watched]:
    """Yield the secrets in JupySQL's file of connections, if there is one that can be read."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        text = (home / _CONNECTIONS).read_text(encoding="utf-8") if home else ""
    except OSError:  # not there, or not ours to read: then no notebook of ours got it either
        return
    except UnicodeDecodeError:
        raise _unclear() from None
    try:
        parser.read_string(text)
    except configparser.Error:  # its message would show the line
        raise _unclear() from None
    for name, section in parser.items():
        # JupySQL interpolates: there, a doubled percent sign is one.
        values = {key: (value or "").replace("%%", "%") for key, value in section.items()}
        whose = f"of the connection {name}"
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


def _unclear() -> SnapshotError:
    return SnapshotError.not_published(
        "connections.ini in the home folder's .jupysql is not a valid INI file, so that nobody can tell "
        "which passwords a snapshot may not hold"
    )


def _secret(kind: str, written: str) -> Iterator[Watched]:
    for text in _forms(written):
        if len(text) >= _ANYWHERE and not text.isdigit():
            yield Watched(kind, text)
        elif len(text) >= _LEAST:
            yield Watched(kind, text, rf"(?<!\w)(?<!\d[.,]){re.escape(text)}(?!\w|[.,]\d)")


def _folder(kind: str, folder: Path | None) -> Iterator[Watched]:
    if folder is None:
        return
    for path in {folder.absolute(), folder.resolve()}:
        names = len(path.parts) - 1
        end = r"(?!\w|[.-]\w)" if names > 1 else r"/[\w.~-]"
        for text in _forms(str(path)) if names else ():
            yield Watched(kind, text, rf"(?<![\w.~-]){re.escape(text)}{end}")


def _forms(text: str) -> set[str]:
    """Return a text as it is written and with its accents composed, as systems may write it anew."""
    return {text, unicodedata.normalize("NFC", text)}


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # an account without one
        return None
