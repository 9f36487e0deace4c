"""The viewer's log on stderr: one line for each request and event, as text or JSON, with the time zone.

No line can be forged. A request's line contains only this package's own words and the first characters of a
valid id. In all other lines, control characters are escaped (JSON) or replaced (text). In a text log, a
traceback is indented below its line.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime

from custdyn_widgets.text import printable

FORMATS = ("text", "json")
ACCESS = "custdyn_access"  # the attribute of a log record that contains a request's fields


def start_logging(form: str) -> None:
    """Write the log of this process to stderr in one of the `FORMATS`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record, ' ')} {printable(record.getMessage(), mark_breaks=True)}"
        if record.exc_info:
            below = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *(f"    {printable(one)}" for one in below)])
        return line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, ACCESS, None)
        if fields is None:
            fields = {"message": record.getMessage()}
            if record.exc_info:
                fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps({"time": _time(record, "T"), "level": record.levelname.lower(), **fields})


def _time(record: logging.LogRecord, separator: str) -> str:
    """Return a record's time, with the UTC offset of this machine's time zone."""
    return datetime.fromtimestamp(record.created).astimezone().isoformat(separator, "milliseconds")
