"""The `custdyn` command. Data goes to stdout, messages to stderr; exit codes: 0 success, 1 failure, 2 misuse.

Each command imports what it needs when it runs, so that `custdyn --help` starts fast.
"""

from __future__ import annotations

import atexit
import gc
import sys

import click

from custdyn_widgets import __version__
from custdyn_widgets.cli.error_messages import CommandGroup
from custdyn_widgets.cli.lazy_commands import LazyCommand

_COMMANDS = {
    "check": LazyCommand(
        "checking",
        "check_command",
        "Check a source: summarize its faults by kind and say how to fix them.",
    ),
    "clients": LazyCommand("tables", "clients_command", "Print the clients behind a row of a report."),
    "cohorts": LazyCommand(
        "tables",
        "cohorts_command",
        "Print the retention triangle: how many clients in each cohort had a paid use, month by month.",
    ),
    "demo": LazyCommand(
        "reports",
        "demo_command",
        "Create a demo operator's data, a report covering three years, and a snapshot of the report.",
    ),
    "mapping": LazyCommand(
        "mapping", "mapping_group", "Map data from another system to the tables that reports need."
    ),
    "mcp": LazyCommand(
        "agents",
        "mcp_command",
        "Serve reports to agents as MCP tools over stdin and stdout, until stdin is closed.",
    ),
    "queries": LazyCommand("queries", "queries_group", "Manage and run saved queries."),
    "query": LazyCommand("reports", "query_command", "Print a report."),
    "run": LazyCommand(
        "reports",
        "run_command",
        "Run a template notebook and freeze its report into a snapshot; the last line of output is the link.",
    ),
    "runs": LazyCommand("runs", "runs_group", "Show the runs of saved queries and their results."),
    "serve": LazyCommand(
        "serving", "serve_command", "Serve snapshots at their links until Ctrl-C is pressed."
    ),
    "snapshots": LazyCommand("snapshots", "snapshots_group", "Manage the snapshot store."),
    "sync": LazyCommand(
        "syncing",
        "sync_command",
        "Read a source's database into its mart, on which reports are then based.",
    ),
}


@click.group(cls=CommandGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="custdyn")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def main(debug: bool) -> None:  # noqa: ARG001 (read from the context)
    """Report on customers: activity, balances, refills, spending, and revenue from packages."""
    atexit.unregister(_keep_garbage)  # in case a program calls this again
    atexit.register(_keep_garbage)


def _keep_garbage() -> None:
    """Prevent the search for garbage at exit, which takes 0.1 s.

    Without that search, DuckDB would report what it created as leaked, so it is kept if DuckDB is loaded.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()
