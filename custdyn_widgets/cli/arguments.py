"""Command-line arguments: checking paths, and masking passwords in messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from custdyn_widgets.errors import is_address, mask_given, mask_value

_GIVEN = f"{__name__}.given"


class LocalPath(click.Path):
    """The path of a local file or folder; an address, or part of one, is rejected without being shown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if isinstance(value, str) and (is_address(value) or _is_rest_of_password(value)):
            self.fail("must be a path on this machine, not an address.", param, ctx)
        return super().convert(value, param, ctx)


def _is_rest_of_password(value: str) -> bool:
    """Return whether a value is part of a password that the shell has split at its spaces."""
    return masked(value) != mask_value(value)


def remember(ctx: click.Context, given: Sequence[str]) -> None:
    """Keep the arguments as given, so that the passwords in them can be masked."""
    ctx.meta[_GIVEN] = tuple(given)


def remembered() -> tuple[str, ...]:
    """Return the arguments of the running command; () if none is running."""
    ctx = click.get_current_context(silent=True)
    found: tuple[str, ...] = ctx.meta.get(_GIVEN, ()) if ctx else ()
    return found


def masked(text: str) -> str:
    """Return a message with passwords masked, including those in the arguments of the running command."""
    return mask_given(text, remembered())
