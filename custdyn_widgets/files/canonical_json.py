"""Canonical JSON: equal values yield identical bytes, so a hash of the bytes identifies the value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from custdyn_widgets.errors import SnapshotError, shown
from custdyn_widgets.text import join_surrogates


def canonical_json(value: object, *, floats: bool = False) -> bytes:
    """Return a value as canonical JSON: sorted keys, no whitespace, UTF-8, no NaN and no floats.

    Lone surrogates, which UTF-8 cannot encode, are escaped; all other non-ASCII characters are written
    unescaped.

    Parameters
    ----------
    value
        None, a boolean, an integer, a string, or a list or string-keyed mapping of such values.
    floats
        Whether to allow finite floats (only chart specs need them, for widths and opacities).

    Raises
    ------
    SnapshotError
        If it contains a value of any other type, or is nested too deeply.
    """
    try:
        plain = _plain(value, "", floats)
        text = json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (RecursionError, ValueError) as error:
        raise SnapshotError(f"The value cannot be written as JSON: {error}.") from error
    return text.encode("utf-8", "backslashreplace")


def parse_canonical(data: bytes) -> Any:
    """Parse canonical JSON.

    Raises
    ------
    SnapshotError
        If the bytes are not JSON in canonical form.
    """
    try:
        value = json.loads(data.decode("utf-8"), parse_float=_reject, parse_constant=_reject)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"The data is not canonical JSON: {error}.") from error
    # Reject duplicate keys, unsorted keys, whitespace and noncanonical escapes.
    if canonical_json(value) != data:
        raise SnapshotError("The data is not canonical JSON: the canonical form of its value is different.")
    return value


def _reject(text: str) -> NoReturn:
    raise ValueError(f"the number {shown(text)} is not an integer")


def _plain(value: object, where: str, floats: bool) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return join_surrogates(value)
    if isinstance(value, float) and floats:
        return value
    if isinstance(value, Mapping):
        plain = {_key(key, where): _plain(item, f"{where}.{key}", floats) for key, item in value.items()}
        if len(plain) != len(value):
            raise SnapshotError(f"Two keys in {where.lstrip('.') or 'the value'} are the same.")
        return plain
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]", floats) for i, item in enumerate(value)]
    raise SnapshotError(
        f"{where.lstrip('.') or 'The value'} is {shown(value)}, a {type(value).__name__}, which canonical "
        "JSON does not allow: use text, a whole number, true, false, null, a list or an object."
    )


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise SnapshotError(
            f"{where.lstrip('.') or 'The value'} has the key {shown(key)}, which is not text."
        )
    return join_surrogates(key)
