"""All readable text in a file: as written, with escapes decoded, and after decompression."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import io
import json
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator

from custdyn_widgets.publish.secrets.split import as_shown, without_invisible

_DEPTH = 3  # enough for percent-encoded JSON in an HTML attribute; deeper nesting does not happen by mistake
# Patterns that begin with a literal character make the search ten times as fast.
_JSON_ESCAPES = re.compile(r'\\(?:u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*|["\\/bfnrt])')
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*")
_BASE64 = re.compile(r";base64,([A-Za-z0-9+/\s]+=*)")
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"


def texts(name: str, data: bytes) -> Iterator[str]:
    """Yield all text that someone could read in a file.

    The file is read as UTF-8, both as written and with HTML, XML, JSON, CSV and URL escapes decoded, even
    nested ones. Pages and drawings are also read without their tags. The members of a ZIP file (such as
    XLSX), the strings and metadata of a Parquet file, and base64 data in a page or drawing are read in the
    same way.

    Raises
    ------
    ValueError
        If a compressed file cannot be decompressed.
    """
    if data.startswith(_ZIP):
        yield from _members(data)
    elif data.startswith(_PARQUET):
        yield from _parquet_texts(data)
    whole = data.decode("utf-8", "surrogateescape")
    if "\0" in whole:  # binary data has no escapes
        yield whole
        return
    packed: set[str] = set()
    for text in _readings(whole, name):
        yield text
        packed.update(_BASE64.findall(text))
    for inner in packed:
        with contextlib.suppress(binascii.Error):  # truncated, so it cannot be decoded
            yield from texts(".svg", base64.b64decode(inner))


def _readings(text: str, name: str = "") -> Iterator[str]:
    """Yield the text as written, then with each kind of escape decoded, up to a maximum depth.

    Each kind is decoded separately, because a secret may itself contain the escapes of another kind.
    """
    decoders: tuple[Callable[[str], str], ...] = (
        html.unescape,
        _without_json_escapes,
        _without_percent_escapes,
        _composed,
        without_invisible,
    )
    if name.endswith((".html", ".svg")):
        decoders += (as_shown,)
    if name.endswith(".csv"):
        decoders += (lambda text: text.replace('""', '"'),)
    seen = latest = {text}
    yield text
    for _ in range(_DEPTH):
        latest = {decode(old) for old in latest for decode in decoders} - seen
        seen = seen | latest
        yield from latest


def _without_json_escapes(text: str) -> str:
    return _JSON_ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text) if "\\" in text else text


def _without_percent_escapes(text: str) -> str:
    return _PERCENT.sub(_percent_decoded, text) if "%" in text else text


def _percent_decoded(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogateescape")


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _members(data: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield member
                yield from texts(member, archive.read(member))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ValueError("it is not a valid ZIP file") from error


def _parquet_texts(data: bytes) -> Iterator[str]:
    import pyarrow as pa  # imported late: only Parquet files need Arrow
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        schema = file.schema_arrow
        is_number = {f.name: pa.types.is_primitive(f.type) or pa.types.is_decimal(f.type) for f in schema}
        table = file.read(columns=[name for name in is_number if not is_number[name]], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ValueError("it is not a valid Parquet file") from error
    yield from _metadata_texts(schema.metadata)
    for field in schema:
        yield field.name
        yield from _metadata_texts(field.metadata)
    for column in table.columns:
        yield from _readings("\n".join(map(str, column.to_pylist())))


def _metadata_texts(metadata: dict[bytes, bytes] | None) -> Iterator[str]:
    for part in (part for pair in (metadata or {}).items() for part in pair):
        yield from texts("", part)
