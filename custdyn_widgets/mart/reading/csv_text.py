"""CSV files as UTF-8 text: unpacked, decoded, and without the `sep=` line that only Excel uses.

Plain UTF-8 files are read in place. Any other file is converted, and the text is stored in a temporary file
in the cache folder. On Linux, this file has no name, so it disappears after it has been read, even if the
process is killed.
"""

from __future__ import annotations

import codecs
import gzip
import re
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from custdyn_widgets import settings
from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.dialect import Dialect

_BEGINNING, _BLOCK = 4096, 2**20  # bytes
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MARKS = (  # UTF-32 first, because the BOM of UTF-32-LE begins with that of UTF-16-LE
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_NEED_MARKS = ("utf-16", "utf-32")  # other names, such as utf-16-le, specify the byte order
_EXCEL_HINT = re.compile(r'"?sep=([^"\r\n]?)"?,*(\r\n|\r|\n)', re.IGNORECASE)
_OPEN_FILES = Path("/proc/self/fd")  # only on Linux
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
        If an archive cannot be unpacked or does not contain exactly one file, or the text does not match its
        encoding.
    """
    copy, text = converted_copy(path, dialect)
    if copy is None:
        yield text
        return
    with copy.named(path.name) as place:
        yield replace(text, path=place)


class NamelessFile:
    """A file in the cache folder that disappears even if the process is killed.

    It is deleted along with this object. On systems without /proc, it has a name and remains if
    the process is killed.
    """

    def __init__(self) -> None:
        create = tempfile.TemporaryFile if _OPEN_FILES.is_dir() else tempfile.NamedTemporaryFile
        folder = settings.load().cache
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = cast(IO[bytes], create(dir=folder))
        except OSError:  # the cache is not writable
            self.file = cast(IO[bytes], create())
        weakref.finalize(self, self.file.close)

    @property
    def path(self) -> Path:
        """A path at which the file can be opened again."""
        return _OPEN_FILES / str(self.file.fileno()) if _OPEN_FILES.is_dir() else Path(self.file.name)

    @contextmanager
    def named(self, name: str) -> Iterator[Path]:
        """Yield a path that leads to the file and ends in the given name, for messages."""
        with tempfile.TemporaryDirectory(prefix="custdyn-") as folder:
            path = Path(folder) / name
            path.symlink_to(self.path)
            yield path


def converted_copy(path: Path, dialect: Dialect) -> tuple[NamelessFile | None, CsvText]:
    """Return a UTF-8 copy of a CSV file, with the path of the text and what was detected about the file.

    Plain UTF-8 files are not copied; None is returned in place of the copy.

    Raises
    ------
    SourceError
        As in `csv_text`.
    """
    form = _form(path, dialect)
    if form.is_plain:
        return None, CsvText(path)
    copy = NamelessFile()
    _write_converted(path, form, copy.file)
    return copy, CsvText(copy.path, form.delimiter, form.found, converted=True)


def _write_converted(path: Path, form: _Form, out: IO[bytes]) -> None:
    """Write a CSV file as UTF-8 text."""
    skipped = len(form.hint[0]) if form.hint else 0
    with _unpacked(path) if form.packed else path.open("rb") as stream:
        if form.encoding == "utf-8":  # the reader reports invalid bytes
            stream.read(skipped)
            shutil.copyfileobj(stream, out, _BLOCK)
        else:
            _convert(stream, path.name, form.encoding, skipped, out)
    out.flush()


@dataclass(frozen=True)
class _Form:
    """How a file's text is stored, judging by its first bytes.

    Attributes
    ----------
    packed
        Whether it is compressed.
    encoding
        The name of its encoding.
    hint
        The `sep=` line, if there is one.
    """

    packed: bool
    encoding: str
    hint: re.Match[str] | None

    @property
    def is_plain(self) -> bool:
        """Whether the file can be read in place."""
        return not (self.packed or self.hint) and self.encoding in ("utf-8", "utf-8-sig")

    @property
    def delimiter(self) -> str | None:
        """The delimiter in the `sep=` line."""
        return self.hint[1] or None if self.hint else None

    @property
    def found(self) -> tuple[str, ...]:
        """What was detected, in words."""
        is_wide = self.encoding in _NEED_MARKS
        encoding = (f"encoding {shown(self.encoding)}",) if is_wide else ()
        is_unusual = self.delimiter and self.delimiter != ","
        return (*encoding, f"delimiter {shown(self.delimiter)}") if is_unusual else encoding


def _form(path: Path, dialect: Dialect) -> _Form:
    with path.open("rb") as file:
        begins = file.read(_BEGINNING)
    packed = begins.startswith(_GZIP) or (begins.startswith(_ZIP) and not _is_workbook(begins))
    if packed:
        with _unpacked(path) as stream:
            begins = stream.read(_BEGINNING)
    mark = next((name for mark, name in _MARKS if begins.startswith(mark)), None)
    encoding = codecs.lookup(mark or dialect.encoding or "utf-8").name
    if begins and mark is None and encoding in _NEED_MARKS:
        raise SourceError(
            f"{path.name} has no byte order mark, which the encoding {shown(encoding)} requires. Set the "
            f"correct encoding for the source, such as {shown(f'{encoding}-le')}.",
            field="encoding",
        )
    hint = _EXCEL_HINT.match(codecs.getincrementaldecoder(encoding)("replace").decode(begins))
    return _Form(packed, encoding, hint)


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
        if isinstance(error, OSError) and error.errno:  # a disk error, not a damaged archive
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
