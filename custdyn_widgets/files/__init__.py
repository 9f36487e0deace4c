"""Files: reading without following links, writing whole or not at all, and JSON in one form."""

from custdyn_widgets.files.canonical_json import canonical_json, parse_canonical
from custdyn_widgets.files.disk import (
    ExchangedError,
    NotPlainError,
    TooLargeError,
    alone,
    clear_away,
    error_words,
    folder_below,
    is_free,
    make_folder,
    may_exist,
    names_in,
    names_two_below,
    plain_bytes,
    plain_file,
    put_file,
    read_plain,
    reason,
    size_of,
    sync_folder,
    written_folder,
)
from custdyn_widgets.files.json_schema import load_jsonschema
from custdyn_widgets.files.strict_json import strict_json
from custdyn_widgets.files.whole import write_whole

__all__ = [
    "ExchangedError",
    "NotPlainError",
    "TooLargeError",
    "alone",
    "canonical_json",
    "clear_away",
    "error_words",
    "folder_below",
    "is_free",
    "load_jsonschema",
    "make_folder",
    "may_exist",
    "names_in",
    "names_two_below",
    "parse_canonical",
    "plain_bytes",
    "plain_file",
    "put_file",
    "read_plain",
    "reason",
    "size_of",
    "strict_json",
    "sync_folder",
    "write_whole",
    "written_folder",
]
