"""The staging folder that `custdyn run` hands to a notebook's kernel.

A kernel that has this folder in its environment publishes nothing: its `freeze` leaves the report's JSON
and its drawings there, under a token, renamed last. The file is the proof that the notebook came to its
end, because papermill itself calls a run completed whose kernel was killed. The process that ran the
notebook reads the report from it, writes the page with the author's cells, and publishes. The drawings
come along because a notebook mostly showed them: starting a second JavaScript engine to make them again
would be a fifth of a run's work.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.files import write_whole
from custdyn_widgets.report import Report

FOLDER_VARIABLE = "CUSTDYN_STAGING"
TOKEN_VARIABLE = "CUSTDYN_STAGING_TOKEN"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class Staging:
    """A folder and the token under which one run leaves one report there."""

    folder: Path
    token: str

    @classmethod
    def new(cls, folder: Path) -> Staging:
        """Return a staging place in a folder that only this run uses."""
        return cls(folder, secrets.token_hex(16))

    @classmethod
    def handed_over(cls, environ: Mapping[str, str] | None = None) -> Staging | None:
        """Return the staging place that this process was started with, or None outside `custdyn run`."""
        env = os.environ if environ is None else environ
        folder, token = env.get(FOLDER_VARIABLE), env.get(TOKEN_VARIABLE)
        return cls(Path(folder), token) if folder and token else None

    def environment(self) -> dict[str, str]:
        """Return the variables that hand this place to a kernel."""
        return {FOLDER_VARIABLE: str(self.folder), TOKEN_VARIABLE: self.token}

    @property
    def _done(self) -> Path:
        return self.folder / f"{self.token}.json"

    @property
    def _spoiled(self) -> Path:
        return self.folder / f"{self.token}.twice"

    def leave(self, report: Report, drawn: Mapping[str, str]) -> None:
        """Leave the report, and its drawings by title, for the process that runs this notebook.

        Raises
        ------
        RunError
            If this run left one before: a notebook freezes one report, in its last cell.
        """
        if self._done.exists():
            self._spoiled.touch()
            raise RunError("freeze was called a second time. Call it once, in the notebook's last cell.")
        left = {"report": report.to_dict(), "drawn": dict(drawn)}
        write_whole(self._done, json.dumps(left, allow_nan=False).encode("ascii"), lasting=False)

    def take(self) -> tuple[Report, dict[str, str]]:
        """Return the report that the notebook left, and its drawings by title, which are not trusted.

        Raises
        ------
        RunError
            If it left none, or more than one, or something that is not a report.
        """
        if self._spoiled.exists():
            raise RunError("The notebook called freeze twice. Call it once, in its last cell.")
        try:
            left = self._done.read_bytes()
        except FileNotFoundError:
            raise RunError(
                "The notebook ended without calling freeze. Make freeze(report) its last cell."
            ) from None
        try:
            both = json.loads(left)
            return Report.from_dict(both["report"]), dict(both["drawn"])
        except (ValueError, KeyError, TypeError, AttributeError, CustDynError) as error:
            raise RunError(
                f"The notebook froze something that is not a report ({type(error).__name__})."
            ) from error
