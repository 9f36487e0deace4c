"""CSV files as UTF-8 text: unpacked, decoded, and without the `sep=` line that only Excel uses.

Plain UTF-8 files are read in place. Others are converted to a private temporary file, which is removed
after reading.
"""

from __future__ import annotations

import codecs
import gzip
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.dialect import Dialect

_BEGINNING, _BLOCK = 4096, 2**20  # bytes
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_EXCEL_HINT = re.compile(r'"?sep=([^"\r\n]?)"?,*(\r\n|\r|\n)', re.IGNORECASE)
_DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class CsvText:
    """The path of UTF-8 text, and what was detected about the file.

    Attributes
    ----------
    path
        The path; its last component is the name of the original file.
    delimiter
        The delimiter in the `sep=` line, or None.
    found
        What was detected, in words.
    converted
        Whether it is a converted copy of the file.
    """

    path: Path
    delimiter: str | None = None
    found: tuple[str, ...] = ()
    converted: bool = False


@contextmanager
def csv_text(path: Path, dialect: Dialect) -> Iterator[CsvText]:
    """Open a CSV file as UTF-8 text.

    Raises
    ------
    SourceError
        If an archive cannot be unpacked or has several files, or the text does not match its encoding.
    """
    form = _form(path, dialect)
    encoding, hint = form.encoding, form.hint
    found = (f"encoding {shown(encoding)}",) if form.marked and encoding in ("utf-16", "utf-32") else ()
    delimiter = hint[1] or None if hint else None
    if delimiter and delimiter != ",":
        found = (*found, f"delimiter {shown(delimiter)}")
    if form.is_plain:
        yield CsvText(path)
        return
    with tempfile.TemporaryDirectory(prefix="custdyn-") as folder:
        converted = Path(folder) / path.name
        skipped = len(hint[0]) if hint else 0
        with _unpacked(path) if form.packed else path.open("rb") as stream, converted.open("wb") as out:
            if encoding == "utf-8":  # the reader reports invalid bytes
                stream.read(skipped)
                shutil.copyfileobj(stream, out, _BLOCK)
            else:
                _convert(stream, path.name, encoding, skipped, out)
        yield CsvText(converted, delimiter, found, converted=True)


@dataclass(frozen=True)
class _Form:
    """How the text of a file is stored, according to its first bytes.

    Attributes
    ----------
    packed
        Whether it is compressed.
    encoding
        The name of its encoding.
    marked
        Whether a byte order mark gives the encoding.
    hint
        The `sep=` line, if there is one.
    """

    packed: bool
    encoding: str
    marked: bool
    hint: re.Match[str] | None

    @property
    def is_plain(self) -> bool:
        """Whether the file can be read in place."""
        return not (self.packed or self.hint) and self.encoding in ("utf-8", "utf-8-sig")


def is_plain_text(path: Path, dialect: Dialect) -> bool:
    """Return whether a file is UTF-8 text that `csv_text` does not convert.

    Raises
    ------
    SourceError
        If it is an archive that cannot be unpacked or has several files.
    """
    return _form(path, dialect).is_plain


def _form(path: Path, dialect: Dialect) -> _Form:
    with path.open("rb") as file:
        begins = file.read(_BEGINNING)
    packed = begins.startswith(_GZIP) or (begins.startswith(_ZIP) and not _is_workbook(begins))
    if packed:
        with _unpacked(path) as stream:
            begins = stream.read(_BEGINNING)
    mark = next((name for mark, name in _MARKS if begins.startswith(mark)), None)
    encoding = codecs.lookup(mark or dialect.encoding or "utf-8").name
    hint = _EXCEL_HINT.match(codecs.getincrementaldecoder(encoding)("replace").decode(begins))
    return _Form(packed, encoding, mark is not None, hint)


def _is_workbook(begins: bytes) -> bool:
    return b"[Content_Types].xml" in begins or b"xl/" in begins


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file compressed with gzip, or the only file in a ZIP archive."""
    try:
        with path.open("rb") as file:
            if file.read(len(_GZIP)) == _GZIP:
                file.seek(0)
                with gzip.GzipFile(fileobj=file) as stream:
                    yield cast(IO[bytes], stream)
                return
            with zipfile.ZipFile(file) as archive, archive.open(_only_member(path, archive)) as member:
                yield member
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno:  # an error of the disk, not a damaged archive
            raise
        raise SourceError(
            f"{path.name} cannot be unpacked: {error}. Copy or export it again.", field="source"
        ) from error


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX/" not in info.filename]
    if len(members) != 1:
        raise SourceError(
            f"{path.name} must contain one CSV file, but it contains {len(members)}. Unpack it.",
            field="source",
        )
    return members[0]


def _convert(stream: IO[bytes], name: str, encoding: str, skipped: int, out: IO[bytes]) -> None:
    """Write text as UTF-8, without its first `skipped` characters."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    while True:
        block = stream.read(_BLOCK)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].decode(encoding, "replace").count("\n")
            raise SourceError(
                f"{name}, line {line}: byte {error.object[error.start]:#04x} is not valid in the encoding "
                f"{shown(encoding)}. Set the correct encoding for the source.",
                field="encoding",
            ) from None
        lines += text.count("\n")
        out.write(text[skipped:].encode("utf-8", "surrogatepass"))
        skipped = max(0, skipped - len(text))
        if not block:
            return
