"""Typesetting HTML as a tagged PDF (PDF/UA-1) with WeasyPrint, without any network access.

The bytes depend only on the HTML, the version of WeasyPrint and the installed fonts.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from custdyn_widgets import progress
from custdyn_widgets.errors import ExportError
from custdyn_widgets.render.pdf.tags import complete_tags
from custdyn_widgets.text import printable

_PACKAGE = (
    "A PDF needs the WeasyPrint package, which is not installed. Run: pip install 'custdyn-widgets[pdf]'"
)
_LIBRARIES = (
    "A PDF needs the Pango library, which is not installed. On Debian or Ubuntu, run: "
    "apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-liberation"
)
_FONTS = "A PDF needs fonts, but none are installed. On Debian or Ubuntu, run: apt install fonts-liberation"
_FONTCONFIG = ("libfontconfig.so.1", "libfontconfig.1.dylib")
_MAX_NAMED = 20  # the maximum number of missing characters that a message lists


def require_pdf() -> None:
    """Raise an error unless this machine can create PDFs.

    Raises
    ------
    ExportError
        If WeasyPrint or a library that it needs is missing, or there are no fonts. The message says what to
        install.
    """
    _weasyprint()
    if not _has_fonts():
        raise ExportError(_FONTS, field="output")


@lru_cache(maxsize=1)  # so that a PDF created for a download is reused for the snapshot
def typeset(html: str, sheets: int) -> bytes:
    """Return HTML as a PDF.

    Parameters
    ----------
    html
        A document with a language and a title. Only `data:` URLs in it are followed.
    sheets
        The expected number of sheets, used to estimate progress.

    Raises
    ------
    ExportError
        As for `require_pdf`.
    """
    weasyprint = _weasyprint()
    with _watch_logs(sheets) as without_font:
        fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)
        document = weasyprint.HTML(string=html, url_fetcher=fetcher)
        data: bytes = document.write_pdf(pdf_variant="pdf/ua-1", finisher=complete_tags)
    if without_font:
        names = " ".join(f"U+{ord(character):04X}" for character in sorted(without_font)[:_MAX_NAMED])
        more = f" and {len(without_font) - _MAX_NAMED:,} more" if len(without_font) > _MAX_NAMED else ""
        progress.note(
            f"The PDF shows boxes for characters that no installed font has: {names}{more}. Install fonts "
            "for their scripts; on Debian or Ubuntu, fonts-noto-core has most of them."
        )
    return data


def _weasyprint() -> Any:
    """Import WeasyPrint. If a library is missing, raise an error instead of printing WeasyPrint's advice."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about missing fonts, which raise an error later
            import weasyprint  # imported late because only PDFs need it
    except ImportError as error:
        raise ExportError(_PACKAGE, field="output") from error
    except OSError as error:  # raised by cffi
        raise ExportError(_LIBRARIES, field="output") from error
    return weasyprint


def _has_fonts() -> bool:
    """Return whether fontconfig finds a font. Without one, Pango would crash this process."""
    for name in _FONTCONFIG:
        with contextlib.suppress(OSError, AttributeError):
            fonts = ctypes.CDLL(name).FcConfigGetFonts
            fonts.restype = ctypes.POINTER(ctypes.c_int)  # the number of fonts comes first in the structure
            found = fonts(None, 0)
            return bool(found) and found[0] > 0
    return True


@contextlib.contextmanager
def _watch_logs(sheets: int) -> Iterator[set[str]]:
    """Turn WeasyPrint's log into progress, and yield a set that collects characters missing from all fonts.

    Nothing is printed, because the log is about CSS and may contain text from the data.
    """
    without_font: set[str] = set()
    laid_out, every = 0, 1 + sheets // 4  # logs have a line for each step

    def follow(record: logging.LogRecord) -> bool:
        nonlocal laid_out
        if "Creating layout" in str(record.msg) and record.args:
            laid_out += 1
            if laid_out % every == 0:
                progress.step(f"Laying out sheet {laid_out:,}", 0.75 * min(1.0, laid_out / (sheets + 1)))
        elif "Creating PDF" in str(record.msg):
            progress.step("Writing the PDF", 0.75)
        return False

    def collect(record: logging.LogRecord) -> bool:
        if ".notdef" in str(record.msg) and record.args:
            without_font.add(printable(str(record.args[0]))[:1] if isinstance(record.args, tuple) else "")
        return False

    with contextlib.ExitStack() as stack:
        for name, listener in (("weasyprint.progress", follow), ("weasyprint", collect)):
            stack.enter_context(_filtered(logging.getLogger(name), listener))
        yield without_font


@contextlib.contextmanager
def _filtered(logger: logging.Logger, listener: Callable[[logging.LogRecord], bool]) -> Iterator[None]:
    """Pass a logger's records to a listener and nowhere else."""
    level, was_disabled = logger.level, logger.disabled
    logger.setLevel(logging.INFO)
    logger.disabled = False
    logger.addFilter(listener)
    try:
        yield
    finally:
        logger.removeFilter(listener)
        logger.setLevel(level)
        logger.disabled = was_disabled
