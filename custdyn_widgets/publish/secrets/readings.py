"""Every text that can be read in a file: as written, with escapes decoded, and unpacked."""

from __future__ import annotations

import base64
import binascii
import html
import io
import json
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_DEPTH = 3  # JSON in an attribute of a page, percent-encoded: deeper is nothing that happens by mistake
# Each begins with a literal character, which makes the search ten times as fast.
_JSON_ESCAPES = re.compile(r'\\(?:u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*|["\\/bfnrt])')
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*")
_BASE64 = re.compile(r";base64,([A-Za-z0-9+/\s]+=*)")
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"


def texts(name: str, data: bytes) -> Iterator[str]:
    """Yield every text that a reader of a file could make of it.

    Text is read as UTF-8 and then with the escapes of HTML, XML, JSON, CSV and URLs undone, also one within
    another. The members of a ZIP file (an XLSX is one), the strings and metadata of a Parquet file, and data
    that a page or drawing carries in base64 are read likewise.

    Raises
    ------
    ValueError
        If a file is packed and cannot be unpacked.
    """
    if data.startswith(_ZIP):
        yield from _members(data)
    elif data.startswith(_PARQUET):
        yield from _parquet_texts(data)
    whole = data.decode("utf-8", "surrogateescape")
    if "\0" in whole:  # no escapes stand in what is no text
        yield whole
        return
    packed: set[str] = set()
    for text in _readings(whole, name.endswith(".csv")):
        yield text
        packed.update(_BASE64.findall(text))
    for inner in packed:
        yield from texts("", _from_base64(inner))


def _readings(text: str, is_csv: bool) -> Iterator[str]:
    """Yield a text, and the text with each kind of escape decoded, and then with another."""
    undo: tuple[Callable[[str], str], ...] = (
        html.unescape,
        _without_json_escapes,
        _without_percent,
        _composed,
    )
    if is_csv:
        undo += (_without_doubled_quotes,)
    seen = {text}
    latest = [text]
    yield text
    for _ in range(_DEPTH):
        # Each by itself: what one undoes, a secret may hold as itself.
        latest = [new for old in latest for new in {step(old) for step in undo} if new not in seen]
        for new in latest:
            if new not in seen:
                seen.add(new)
                yield new


def _without_json_escapes(text: str) -> str:
    return _JSON_ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text) if "\\" in text else text


def _without_percent(text: str) -> str:
    return _PERCENT.sub(_percent_decoded, text) if "%" in text else text


def _percent_decoded(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogateescape")


def _without_doubled_quotes(text: str) -> str:
    return text.replace('""', '"')


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _members(data: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield member
                yield from texts(member, archive.read(member))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ValueError("it is not a sound ZIP file") from error


def _parquet_texts(data: bytes) -> Iterator[str]:
    import pyarrow as pa  # late: who searches no Parquet file needs no Arrow
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        schema = file.schema_arrow
        texts_in = [field.name for field in schema if not _is_number(field.type)]
        table = file.read(columns=texts_in, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ValueError("it is not a sound Parquet file") from error
    yield from _metadata_texts(schema.metadata)
    for field in schema:
        yield field.name
        yield from _metadata_texts(field.metadata)
    for column in table.columns:
        yield from _readings("\n".join(map(str, column.to_pylist())), is_csv=False)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def _metadata_texts(metadata: dict[bytes, bytes] | None) -> Iterator[str]:
    for part in (part for pair in (metadata or {}).items() for part in pair):
        yield from texts("", part)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:  # cut short: there is nothing that a reader could unpack
        return b""
