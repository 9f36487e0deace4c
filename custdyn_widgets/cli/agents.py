"""The `custdyn mcp` command."""

from __future__ import annotations

import click


@click.command("mcp")
def mcp_command() -> None:
    """Serve reports to agents as MCP tools over stdin and stdout, until stdin is closed.

    Agents can use the sources in sources.toml by name and can freeze reports, but cannot change anything
    else.
    """
    from custdyn_widgets.agents import serve_agents

    serve_agents()
