"""Groups of commands that are imported only when they are run, so that `custdyn` starts quickly."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class LazyCommand(NamedTuple):
    """A command that has not been imported yet.

    Attributes
    ----------
    module : str
        The module of this package that contains the command.
    name : str
        The command's name in the module.
    summary : str
        The first sentence of the command's help.
    """

    module: str
    name: str
    summary: str

    def load(self) -> click.Command:
        """Import the command."""
        found = getattr(import_module(f"{__package__}.{self.module}"), self.name)
        assert isinstance(found, click.Command)
        return found


class LazyGroup(click.Group):
    """A group that imports a lazy command when it is looked up; the group's help shows only its summary.

    Parameters
    ----------
    lazy : mapping of str to LazyCommand
        Commands by name, in addition to those added the usual way.
    **options
        As for `click.Group`.
    """

    def __init__(self, *, lazy: Mapping[str, LazyCommand], **options: Any) -> None:
        super().__init__(commands=_Commands(lazy), **options)
        self.lazy = lazy

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and summaries of the commands."""
        shown = {
            name: click.Command(name, help=self.lazy[name].summary)
            if name in self.lazy
            else self.commands[name]
            for name in self.list_commands(ctx)
        }
        click.Group(commands=shown).format_commands(ctx, formatter)


class _Commands(UserDict[str, click.Command]):
    """Commands by name; a lazy command is imported when it is looked up."""

    def __init__(self, lazy: Mapping[str, LazyCommand]) -> None:
        super().__init__()
        self.data: dict[str, Any] = dict(lazy)

    def __getitem__(self, name: str) -> click.Command:
        if isinstance(self.data[name], LazyCommand):
            self.data[name] = self.data[name].load()
        found: click.Command = self.data[name]
        return found
