"""Error messages on stderr and exit codes. Passwords are masked in all of them, including click's own."""

from __future__ import annotations

import errno
import io
import sys
from typing import IO, Any

import click

from custdyn_widgets.cli.arguments import remember, remembered
from custdyn_widgets.cli.lazy_commands import LazyGroup
from custdyn_widgets.cli.report_output import discard, say
from custdyn_widgets.errors import CustDynError, QueryError, mask_given

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CommandGroup(LazyGroup):
    """A group that turns errors into messages and exit codes, and shows a traceback only with --debug."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the group's own options; if they are invalid, mask passwords in click's message."""
        given = tuple(args)  # click removes those that it reads
        try:
            ctx = super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            raise _MaskedError(error, given) from None
        remember(ctx, given)
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except CustDynError as error:
            _report(ctx, error, error.message)
            ctx.exit(2 if isinstance(error, QueryError) else 1)
        except click.ClickException as error:
            raise _MaskedError(error) from None
        except (BrokenPipeError, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            is_output = discard(sys.stdout) or error.errno in _FULL
            place = error.filename or ("The output cannot be written" if is_output else "")
            _report(ctx, error, f"{place}{': ' if place else ''}{error.strerror or error}.")
            ctx.exit(1)
        except Exception as error:
            hint = "This is a bug in custdyn; --debug shows where it is."
            _report(ctx, error, f"{type(error).__name__}: {error}. {hint}")
            ctx.exit(1)


class _MaskedError(click.ClickException):
    """A click error, shown as click would show it but with passwords masked.

    Click quotes arguments in many places, so passwords are masked throughout the text.
    """

    def __init__(self, error: click.ClickException, given: tuple[str, ...] = ()) -> None:
        self._given = given or remembered()
        super().__init__(mask_given(error.format_message(), self._given))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click's classes declare it differently
        self._error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr or to the given file."""
        text = io.StringIO()
        self._error.show(text)
        click.echo(mask_given(text.getvalue(), self._given), file=file, nl=False, err=True)


def _report(ctx: click.Context, error: Exception, message: str) -> None:
    if ctx.params.get("debug"):
        import traceback  # imported late: few commands need it

        say("".join(traceback.format_exception(error)).rstrip("\n"))
    else:
        say(f"custdyn: {message}")
