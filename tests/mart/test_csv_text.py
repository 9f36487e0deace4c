"""CSV text in any encoding or archive becomes the same UTF-8 text, whatever the size of the pieces read."""

from __future__ import annotations

import errno
import gzip
import io
import os
import zipfile
from pathlib import Path

import pytest

from custdyn_widgets import Dialect, Source
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.dialect import NO_DIALECT
from custdyn_widgets.mart.reading import csv_text
from custdyn_widgets.mart.reading.csv_text import NamelessFile, converted_copy
from custdyn_widgets.mart.source_check import check_source
from tests.mart.test_mart import CSV, faults, folder

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clients.csv"


@pytest.mark.parametrize("block", [1, 2, 7, 2**20])
@pytest.mark.parametrize("hint", ["", "sep=;\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_is_converted_whole_in_blocks_of_any_size(
    path: Path, monkeypatch: pytest.MonkeyPatch, block: int, hint: str, encoding: str
) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK", block)
    path.write_bytes(f"{hint}name;é\nx;ю\n".encode(encoding))
    with csv_text.csv_text(path, NO_DIALECT) as found:
        assert found.path.read_text(encoding="utf-8") == "name;é\nx;ю\n"


@pytest.mark.parametrize("block", [1, 5, 2**20])
def test_a_byte_that_cannot_be_decoded_is_found_on_its_line_in_any_block(
    path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK", block)
    path.write_bytes(b"name\na\nbb\n\x81\n")
    with pytest.raises(SourceError, match=r"^clients\.csv, line 4: byte 0x81 is not valid"):
        converted_copy(path, Dialect(encoding="cp1252"))


@pytest.mark.parametrize(
    ("data", "encoding", "delimiter", "found"),
    [
        ("a\n".encode("utf-16"), None, None, ("encoding 'utf-16'",)),
        ("a\n".encode("utf-32"), None, None, ("encoding 'utf-32'",)),
        ("a\n".encode("utf-16-le"), "utf-16-le", None, ()),
        (b"\xe9\n", "cp1252", None, ()),
        (b"sep=;\na\n", None, ";", ("delimiter ';'",)),
        (b"sep=,\na\n", None, ",", ()),
        (b"sep=\na\n", None, None, ()),
        ("sep=;\na\n".encode("utf-16"), None, ";", ("encoding 'utf-16'", "delimiter ';'")),
    ],
)
def test_only_what_was_detected_is_noted(
    path: Path, data: bytes, encoding: str | None, delimiter: str | None, found: tuple[str, ...]
) -> None:
    path.write_bytes(data)
    copy, text = converted_copy(path, Dialect(encoding=encoding))
    assert copy is not None
    assert (text.delimiter, text.found, text.converted) == (delimiter, found, True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_an_encoding_that_needs_a_mark_is_an_error_without_one(tmp_path: Path, encoding: str) -> None:
    source = folder(tmp_path, clients="client_id\n".encode(f"{encoding}-le"))
    with pytest.raises(SourceError) as caught:
        check_source(Source(source, dialect=Dialect(encoding=encoding)))
    assert caught.value.field == "encoding"
    assert caught.value.message == (
        f"clients.csv has no byte order mark, which the encoding '{encoding}' requires. Set the correct "
        f"encoding for the source, such as '{encoding}-le'."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_an_empty_file_is_called_empty_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    source = folder(tmp_path, clients=b"")
    with pytest.raises(SourceError, match=r"clients\.csv is empty: it has no headings"):
        check_source(Source(source, dialect=Dialect(encoding=encoding)))


@pytest.mark.parametrize("member", ["[Content_Types].xml", "xl/workbook.xml"])
def test_either_of_its_parts_shows_that_a_file_is_a_workbook(tmp_path: Path, member: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(SourceError, match=r"^clients\.csv is an Excel workbook, not a CSV file\. Save its"):
        check_source(folder(tmp_path, clients=out.getvalue()))


def test_a_disk_error_is_not_taken_for_a_damaged_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(gzip.GzipFile, "read", broken)
    source = folder(tmp_path, clients=gzip.compress(CSV["clients"].encode()))
    with pytest.raises(SourceError, match=r"^clients\.csv cannot be read: Input/output error$"):
        check_source(source)


def test_folders_beside_the_only_file_of_an_archive_do_not_count(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.mkdir("out")
        archive.writestr("out/export.csv", CSV["clients"])
    assert faults(folder(tmp_path, clients=out.getvalue())) == []


def test_copies_are_in_the_cache_folder_whether_it_exists_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "new" / "cache"
    monkeypatch.setenv("CUSTDYN_CACHE", str(cache))
    for _ in range(2):
        copy = NamelessFile()
        assert copy.path.readlink().parent == cache
        assert list(cache.iterdir()) == []
