"""The staging folder that `custdyn run` passes to a notebook's kernel.

In a kernel that has this folder in its environment, `freeze` does not publish the report. Instead, it writes
the report's JSON and charts to a file in the folder. Only this file proves that the notebook ran to
completion, because papermill reports success even if the kernel was killed. The process that runs the
notebook reads the report from the file, renders the page with the author's cells, and publishes it. The file
includes the charts because drawing them again in a second JavaScript engine would take a fifth of a run's
time.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.files import write_whole
from custdyn_widgets.report import Report
from custdyn_widgets.snapshots import Evidence

FOLDER_VARIABLE = "CUSTDYN_STAGING"
TOKEN_VARIABLE = "CUSTDYN_STAGING_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class Staging:
    """A folder in which a run saves one report, in a file named after a token."""

    folder: Path
    token: str

    @classmethod
    def new(cls, folder: Path) -> Staging:
        """Return a new `Staging` in a folder that only this run uses."""
        return cls(folder, secrets.token_hex(16))

    @classmethod
    def from_environment(cls) -> Staging | None:
        """Return the `Staging` given in the environment, or None outside `custdyn run`."""
        folder, token = os.environ.get(FOLDER_VARIABLE), os.environ.get(TOKEN_VARIABLE)
        return cls(Path(folder), token) if folder and token else None

    def environment(self) -> dict[str, str]:
        """Return the environment variables that pass the folder to a kernel."""
        return {FOLDER_VARIABLE: str(self.folder), TOKEN_VARIABLE: self.token}

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.token}.json"

    @property
    def _repeated(self) -> Path:
        return self.folder / f"{self.token}.twice"

    @property
    def _pdf(self) -> Path:
        return self.folder / f"{self.token}.pdf"

    @property
    def asks_for_pdf(self) -> bool:
        """Whether the notebook asked for a PDF."""
        return self._pdf.exists()

    def save(self, report: Report, drawn: Mapping[str, str], *, pdf: bool = False) -> None:
        """Save the report and its drawings, by title, for the process that runs this notebook.

        `pdf` asks that process for a PDF.

        Raises
        ------
        RunError
            If this run has already saved a report: a notebook may freeze only one, in its last cell.
        """
        if self._file.exists():
            self._repeated.touch()
            raise RunError("freeze was called a second time. Call it once, in the notebook's last cell.")
        if pdf:
            self._pdf.touch()
        evidence = report.evidence() if callable(report.evidence) else report.evidence
        left = {
            "report": report.to_dict(),
            "drawn": dict(drawn),
            "evidence": [evidence.nonce, base64.b64encode(evidence.data).decode()] if evidence else None,
        }
        write_whole(self._file, json.dumps(left, allow_nan=False).encode("ascii"), lasting=False)

    def load(self) -> tuple[Report, dict[str, str]]:
        """Return the report that the notebook saved and, by title, its unvalidated drawings.

        Raises
        ------
        RunError
            If the notebook produced no report, more than one, or an invalid one.
        """
        if self._repeated.exists():
            raise RunError("The notebook called freeze twice. Call it once, in its last cell.")
        try:
            left = json.loads(self._file.read_bytes())
            report = Report.from_dict(left["report"])
            if left["evidence"]:
                nonce, data = left["evidence"]
                report = replace(report, evidence=Evidence(nonce, base64.b64decode(data)))
            return report, dict(left["drawn"])
        except FileNotFoundError:
            raise RunError(
                "The notebook ended without calling freeze. Call freeze(report) in its last cell."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, CustDynError) as error:
            raise RunError(f"The notebook froze an invalid report ({type(error).__name__}).") from error
