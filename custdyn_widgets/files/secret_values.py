"""Reading secrets from environment variables, or from files named in environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.files.reading import why_no_text

_MAX_BYTES = 64_000


def read_secret(variable: str, environ: Mapping[str, str]) -> str | None:
    """Return the value of a variable, or the content of the file named in `<variable>_FILE`.

    Line breaks at the end of the file are removed. The file is read on every call, so that a new secret takes
    effect immediately.

    Raises
    ------
    SettingsError
        If both variables are set, or the file is empty or cannot be read. Messages never show the secret.
    """
    name = f"{variable}_FILE"
    given, file = environ.get(variable) or None, environ.get(name) or None
    if file is None:
        return given
    if given is not None:
        raise SettingsError(f"{variable} and {name} are both set: remove one of them.", field=name)
    try:
        with Path(file).expanduser().open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        text = data.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        why = why_no_text(error)
        raise SettingsError(f"The file named in {name} cannot be read: {why}.", field=name) from None
    if not text or len(data) > _MAX_BYTES:
        what = "is empty" if not text else f"is larger than {_MAX_BYTES:,} bytes"
        raise SettingsError(f"The file named in {name} {what}: it must contain only the secret.", field=name)
    return text
