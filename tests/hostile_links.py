"""Thousands of addresses that are not the link of a snapshot, though many come close to it."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

FORMATS = ("html", "csv", "xlsx", "json")
WORDS = (
    ":key", ":id", "{id}", "${id}", "{{id}}", "null", "NULL", "None", "nil", "undefined", "NaN", "true", "-1",
    "1e9", "[]", "{}", "*", "%", "%25", "_", ".", "..", "...", "~", "' OR '1'='1", '" OR ""="', "; ls",
    "$(id)", "<script>alert(1)</script>", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd",
    "\\\\host\\share", "CON", "manifest.json", "report.html", "state", "tmp", "v1",
)  # fmt: skip
UPWARD = (
    "../", "..\\", "..%2f", "..%5c", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%c0%af", "..%ef%bc%8f",
    "....//", "%2e./", ".%00./", "/./", "//",
)  # fmt: skip
AIMS = ("etc/passwd", "manifest.json", "state/aa", "tmp", "report.html", "custdyn.toml", "%00", "")
BROKEN = (
    "%C0%AF",
    "%FF%FE",
    "%ED%A0%80",
    "%u0061",
    "%",
    "%a",
    "%zz",
    "%00",
    "%0A",
    "%0D%0AX:y",
    "%09",
    "%20",
    "+",
)
LOOK_ALIKES = {
    "a": "аɑａα", "c": "сｃϲ", "e": "еｅ℮", "i": "іｉı", "o": "оｏο", "p": "рｐρ", "s": "ѕｓꜱ", "x": "хｘ×",
    "y": "уｙγ", "l": "ӏｌ1", "2": "２②²", "3": "３③³", "4": "４④⁴", "5": "５⑤⁵", "6": "６⑥⁶", "7": "７⑦⁷",
}  # fmt: skip
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u0301"


def _one_changed(i: str, draw: random.Random) -> str:
    at = draw.randrange(len(i))
    others = string.ascii_letters + string.digits + "-_.~!*'(),;:@$"
    return i[:at] + draw.choice(others.replace(i[at], "")) + i[at + 1 :]


def _swapped(i: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(i))
    return i[at:] + i[:at] if i[at:] + i[:at] != i else i + i


def _encoded(i: str, draw: random.Random) -> str:
    """Return the id with some of its characters percent-encoded: an id has one form only."""
    some = set(draw.sample(range(len(i)), draw.randint(1, len(i))))
    return "".join(f"%{ord(c):02X}" if n in some else c for n, c in enumerate(i))


def _looking_alike(i: str, draw: random.Random) -> str:
    at = draw.choice([n for n, c in enumerate(i) if c in LOOK_ALIKES])
    return quote(i[:at] + draw.choice(LOOK_ALIKES[i[at]]) + i[at + 1 :])


def _with(i: str, more: str, draw: random.Random) -> str:
    at = draw.randint(0, len(i))
    return i[:at] + more + i[at:]


def _query(i: str, draw: random.Random) -> str:
    known = [f"id={i}", f"format={draw.choice(FORMATS)}"]
    wrong = [
        f"id={i}", f"id={'a' * 52}", "id=", "id", "", "x=1", "format=", "format=HTML", "format=html%00",
        "format=../report.html", "format=parquet", "token=x", "Id=x", "id[]=x", "utm=mail", "=", "id%3D",
    ]  # fmt: skip
    parts = [*known, draw.choice(wrong)]
    draw.shuffle(parts)
    return draw.choice(("&", "&", "&", ";", "&amp;")).join(parts)


def _path(i: str, draw: random.Random) -> str:
    before = draw.choice(("/", "//", "/./", "/x/../", "/%2e/", "/reports/", "/static/", "/v1/", "/VIEW/"))
    names = ["", "view/", "View", "VIEW", "%76iew", "view%00", "view.html", "view;x", "views", f"view/{i}"]
    name = draw.choice(names if before == "/" else [*names, "view"])
    return f"{before}{name}?id={i}" if draw.random() < 0.7 else f"{before}{i[:2]}/{i}/report.html"


def _upward(i: str, draw: random.Random) -> str:
    return draw.choice(UPWARD) * draw.randint(1, 12) + draw.choice((*AIMS, i))


def _unknown(_: str, draw: random.Random) -> str:
    return "".join(draw.choices(string.ascii_lowercase + "234567", k=51)) + draw.choice("aq")


def _word(_: str, draw: random.Random) -> str:
    return quote(draw.choice(WORDS), safe=draw.choice(("", "/:'(){}[]$;,*")))


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "one character changed": _one_changed,
    "turned": _swapped,
    "percent-encoded": _encoded,
    "look-alike": _looking_alike,
    "unseen character": lambda i, draw: _with(i, quote(draw.choice(UNSEEN)), draw),
    "broken encoding": lambda i, draw: _with(i, draw.choice(BROKEN), draw),
    "NUL": lambda i, draw: _with(i, "%00" * draw.randint(1, 3), draw),
    "other case": lambda i, draw: i[: (at := draw.randint(0, 20))] + i[at:].upper(),
    "beginning": lambda i, draw: i[: draw.randint(0, len(i) - 1)],
    "end": lambda i, draw: i[draw.randint(1, len(i)) :],
    "longer": lambda i, draw: i + "a" * draw.randint(1, 200),
    "over-long": lambda i, draw: i + draw.choice("aq%./") * draw.randint(10_000, 60_000),
    "upward": _upward,
    "word": _word,
    "unknown": _unknown,
    "any bytes": lambda _, draw: quote(draw.randbytes(draw.randint(1, 80))),
}


def hostile_targets(snapshot_id: str, count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Yield so many pairs of a kind and a request target, always the same ones for a seed."""
    draw = random.Random(seed)
    kinds = [*KINDS, "query", "path"]
    for n in range(count):
        kind = kinds[n % len(kinds)]
        if kind == "query":
            yield kind, f"/view?{_query(snapshot_id, draw)}"
        elif kind == "path":
            yield kind, _path(snapshot_id, draw)
        else:
            more = draw.choice(("", "", f"&format={draw.choice(FORMATS)}"))
            yield kind, f"/view?id={KINDS[kind](snapshot_id, draw)}{more}"
