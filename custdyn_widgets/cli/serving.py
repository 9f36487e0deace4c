"""The `custdyn serve` command."""

from __future__ import annotations

import click

from custdyn_widgets import settings


@click.command("serve")
@click.option("--host", default=settings.VIEWER_HOST, show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=settings.VIEWER_PORT,
    show_default=True,
    help="The port to listen on; 0 chooses a free one.",
)
@click.option(
    "--base-url", default="/", show_default=True, help="The path that links start with, such as /reports/."
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="Also accept requests for this host name.")
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="The format of the log, which goes to stderr: lines of text or of JSON.",
)
def serve_command(host: str, port: int, base_url: str, allow_host: tuple[str, ...], log_format: str) -> None:
    """Serve snapshots at their links until Ctrl-C is pressed.

    /healthz reports whether the store can be read, and /metrics provides metrics for Prometheus.
    """
    import logging

    from custdyn_widgets.snapshots import Store
    from custdyn_widgets.viewer import environment_token, hosts_for, origins_in, serve, start_logging

    start_logging(log_format)
    current = settings.load()
    hosts = hosts_for(host, allow_host, current.share_url)
    in_text = {} if log_format == "text" else {"announce": logging.getLogger("custdyn.viewer").info}
    serve(
        Store(current.snapshots),
        host,
        port,
        base_url=base_url,
        allowed_hosts=hosts,
        share_url=current.share_url,
        embed_origins=origins_in(current.embed_origins),
        metrics_token=environment_token(),
        **in_text,
    )
