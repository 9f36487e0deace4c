"""The `custdyn` command."""

from custdyn_widgets.cli.commands import main

__all__ = ["main"]
