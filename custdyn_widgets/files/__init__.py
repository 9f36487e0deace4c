"""Files: reading without following links, atomic writing, and canonical and strict JSON."""

from custdyn_widgets.files.canonical_json import canonical_json, parse_canonical
from custdyn_widgets.files.json_schema import load_jsonschema
from custdyn_widgets.files.reading import (
    NotPlainError,
    ReplacedError,
    TooLargeError,
    error_text,
    file_size,
    folder_below,
    may_exist,
    names_in,
    names_two_levels_below,
    open_plain_file,
    owned_bytes,
    plain_bytes,
    read_plain,
    reason,
    why_no_text,
)
from custdyn_widgets.files.secret_values import read_secret
from custdyn_widgets.files.strict_json import strict_json
from custdyn_widgets.files.whole import write_whole
from custdyn_widgets.files.writing import (
    is_unlocked,
    lock_folder,
    make_folder,
    new_folder,
    put_file,
    remove_folder,
    sync_folder,
)

__all__ = [
    "NotPlainError",
    "ReplacedError",
    "TooLargeError",
    "canonical_json",
    "error_text",
    "file_size",
    "folder_below",
    "is_unlocked",
    "load_jsonschema",
    "lock_folder",
    "make_folder",
    "may_exist",
    "names_in",
    "names_two_levels_below",
    "new_folder",
    "open_plain_file",
    "owned_bytes",
    "parse_canonical",
    "plain_bytes",
    "put_file",
    "read_plain",
    "read_secret",
    "reason",
    "remove_folder",
    "strict_json",
    "sync_folder",
    "why_no_text",
    "write_whole",
]
