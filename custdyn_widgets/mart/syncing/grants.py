"""The GRANT statements that a mapping needs, for the tables that its SELECTs read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from custdyn_widgets.mart.mapping.sql_file import Mapping
from custdyn_widgets.mart.syncing.access import Login

_NAME = r'(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|[A-Za-z_][\w$]*)'
_COMMENT_OR_STRING = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
# In expressions such as EXTRACT(year FROM at), FROM is followed by a value, not a table.
_OTHER_FROM = re.compile(
    r"\b(EXTRACT|SUBSTRING|SUBSTR|TRIM|OVERLAY|POSITION)\s*\([^()]*\bFROM\b|\bDISTINCT\s+FROM\b",
    re.IGNORECASE,
)
_WITH = re.compile(
    rf"(?:\bWITH\b(?:\s+RECURSIVE)?|,)\s*({_NAME})\s*(?:\([^()]*\))?\s*AS\s*(?:\w+\s+)*\(", re.IGNORECASE
)
_TABLE = re.compile(
    rf"\b(?:FROM|JOIN)\s+(?:LATERAL\s+)?((?>{_NAME}(?:\s*\.\s*{_NAME})*))(?!\s*\()", re.IGNORECASE
)
_NEXT = re.compile(
    rf"(?:\s+(?:AS\s+)?(?!ON\b|JOIN\b|LEFT\b|INNER\b|CROSS\b){_NAME})?\s*,\s*((?>{_NAME}(?:\s*\.\s*{_NAME})*))(?!\s*\()",
    re.IGNORECASE,
)


def tables_of(selects: Iterable[str]) -> list[str]:
    """Return the names of the tables that SELECTs read, as written in them, in order of first use."""
    found: dict[str, None] = {}
    for select in selects:
        text = _COMMENT_OR_STRING.sub(lambda m: "''" if m[0].startswith("'") else " ", select)
        text = _OTHER_FROM.sub("(", text)
        defined = {match[1].lower() for match in _WITH.finditer(text)}
        for match in _TABLE.finditer(text):
            names, end = [match[1]], match.end()
            while more := _NEXT.match(text, end):
                names.append(more[1])
                end = more.end()
            found |= dict.fromkeys(name for name in names if name.lower() not in defined)
    return list(found)


def grant_lines(login: Login, mapping: Mapping, grantee: str, quoted: Callable[[str], str]) -> list[str]:
    """Return the GRANT statements that allow a user to read the tables that a mapping reads.

    Parameters
    ----------
    login
        The login for the database.
    mapping
        The mapping.
    grantee
        The user, as written in a GRANT statement.
    quoted
        The function that quotes a name for the database.
    """
    tables = tables_of([*mapping.selects.values(), *(count.select for count in mapping.counts)])
    database = quoted(login.database)
    if login.kind == "mysql":
        return [
            f"GRANT SELECT ON {table if '.' in table else f'{database}.{table}'} TO {grantee};"
            for table in tables
        ]
    schemas = dict.fromkeys(table.partition(".")[0] if "." in table else "public" for table in tables)
    return [
        f"GRANT CONNECT ON DATABASE {database} TO {grantee};",
        *(f"GRANT USAGE ON SCHEMA {schema} TO {grantee};" for schema in schemas),
        f"GRANT SELECT ON {', '.join(tables)} TO {grantee};",
    ]
