"""The settings as an immutable object."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

VIEWER_HOST = "127.0.0.1"
VIEWER_PORT = 8899
_USUAL_VIEWER = f"http://{VIEWER_HOST}:{VIEWER_PORT}"
PAPERS = ("A4", "letter")

_HANDED_IF_SET = (
    "share_url", "viewer_url", "sources", "my_queries", "runs", "config", "client_type", "timezone",
    "last_choice", "marts", "spark", "signing_key",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The settings.

    Attributes
    ----------
    snapshots, queries, cache
        The folders for the snapshot store, shared saved queries, and data that can be rebuilt.
    share_url
        The base URL for links, without a trailing slash; None for the local viewer.
    viewer_url
        The base URL for links if `share_url` is not set. Set by a Jupyter Server that serves links.
    runs
        The folder for records of unattended runs, which contain recipients' addresses.
    smtp_url, mail_from
        The mail server for outgoing messages, and their sender; see `mail.MailServer`.
    role
        The role that reports show as their author; never an account name.
    extensions
        Modules that register custom metrics and chart presets, imported before the first report: names of
        installed modules or absolute paths to `.py` files. Their code is executed.
    config
        The `custdyn.toml` that was read, or None.
    sources
        The file that defines named sources; it need not exist.
    failure_recipients
        The comma-separated email addresses to notify of a failed run if its saved query names none or cannot
        be read.
    webhook_url, webhook_events
        The URL to post run events to, and which events to post: `failures` (the default) or `all`. See
        `Webhook`.
    client_type, timezone
        The form's initial values until the user runs a query with other values; None for the defaults.
    last_choice
        The file that stores the client type and time zone of the form's last query.
    my_queries
        The folder of the user's own saved queries; `queries` is the folder of the shared ones.
    marts
        The folder in which `custdyn sync` stores the marts that it builds.
    evidence
        Whether snapshots contain evidence of clients' contributions for `custdyn snapshots diff --clients`.
    spark
        The cluster for the spark engine: a master such as `yarn`, `spark://host:7077` or `local[4]`, or the
        address of a Spark Connect server, `sc://host:15002`, without a token.
    embed_origins
        The space-separated origins of pages that may embed reports served by `custdyn serve`.
    pdf, paper
        Whether every snapshot includes a PDF of its page, and the paper size of that PDF: `A4` or `letter`.
    signing_key
        The file with the private key that signs snapshots, or None; see `snapshots.signing`.
    """

    snapshots: Path
    queries: Path
    cache: Path
    share_url: str | None = None
    role: str = "analyst"
    extensions: tuple[str, ...] = ()
    config: Path | None = None
    sources: Path | None = None
    my_queries: Path | None = None
    runs: Path | None = None
    viewer_url: str | None = None
    smtp_url: str | None = None
    mail_from: str | None = None
    failure_recipients: str | None = None
    webhook_url: str | None = field(default=None, repr=False)  # it may contain a token
    webhook_events: str | None = None
    client_type: str | None = None
    timezone: str | None = None
    last_choice: Path | None = None
    marts: Path | None = None
    evidence: bool = True
    spark: str | None = None
    embed_origins: str | None = None
    pdf: bool = False
    paper: str = PAPERS[0]
    signing_key: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return environment variables that pass these settings, with absolute paths, to another process."""
        handed = {
            "CUSTDYN_SNAPSHOTS": str(self.snapshots),
            "CUSTDYN_QUERIES": str(self.queries),
            "CUSTDYN_CACHE": str(self.cache),
            "CUSTDYN_ROLE": self.role,
            "CUSTDYN_EVIDENCE": "on" if self.evidence else "off",
            "CUSTDYN_PDF": "on" if self.pdf else "off",
            "CUSTDYN_PAPER": self.paper,
        }
        if self.extensions:
            handed["CUSTDYN_EXTENSIONS"] = os.pathsep.join(self.extensions)
        for name in _HANDED_IF_SET:
            if value := getattr(self, name):
                handed[f"CUSTDYN_{name.upper()}"] = str(value)
        return handed

    def link(self, snapshot_id: str) -> str:
        """Return a snapshot's link, based on `share_url`, or else `viewer_url`, or else the local viewer."""
        return f"{self.share_url or self.viewer_url or _USUAL_VIEWER}/view?id={snapshot_id}"
