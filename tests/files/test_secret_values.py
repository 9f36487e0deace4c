"""Secrets come from a variable or from the file that it names, and no message shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.files import read_secret


def test_a_secret_is_in_a_variable_or_in_a_file_or_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" word \n\r\n")
    assert read_secret("KEY", {"KEY": "word"}) == "word"
    assert read_secret("KEY", {"KEY_FILE": str(file)}) == " word "
    assert read_secret("KEY", {"KEY": "", "KEY_FILE": str(file)}) == " word "
    assert read_secret("KEY", {"KEY": "word", "KEY_FILE": ""}) == "word"
    assert read_secret("KEY", {"KEY": "", "KEY_FILE": ""}) is None
    assert read_secret("KEY", {}) is None


def test_a_secret_has_at_most_64000_bytes(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"x" * 64_000)
    assert read_secret("KEY", {"KEY_FILE": str(file)}) == "x" * 64_000
    file.write_bytes(b"x" * 64_001)
    with pytest.raises(SettingsError, match="named in KEY_FILE is larger than 64,000 bytes"):
        read_secret("KEY", {"KEY_FILE": str(file)})
    file.write_bytes(b"x" * 64_000 + b"\n" * 9)  # a secret is not to be guessed from a part of a file
    with pytest.raises(SettingsError, match="larger than"):
        read_secret("KEY", {"KEY_FILE": str(file)})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: it must contain only the secret"),
        (b"\r\n", "is empty"),
        (b"seashore\xff", "cannot be read: it is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_without_a_secret_is_named_by_its_variable_alone(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"The file named in KEY_FILE {words}") as caught:
        read_secret("KEY", {"KEY_FILE": str(file)})
    assert caught.value.field == "KEY_FILE"
    assert "seashore" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_of_an_unknown_user_is_not_called_unreadable_text() -> None:
    with pytest.raises(
        SettingsError, match="KEY_FILE cannot be read: the home folder that ~ stands for is unknown"
    ):
        read_secret("KEY", {"KEY_FILE": "~no-such-user/secret"})


def test_a_secret_given_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="KEY and KEY_FILE are both set: remove one of them") as caught:
        read_secret("KEY", {"KEY": "seashore", "KEY_FILE": str(tmp_path / "secret")})
    assert "seashore" not in str(caught.value)
