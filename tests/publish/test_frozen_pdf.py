"""The PDF of a snapshot: frozen where it was asked for, the same bytes as on the command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets.cli import commands as cli
from custdyn_widgets.errors import ExportError, SnapshotNotFoundError
from custdyn_widgets.publish import content_digest, freeze, report_pdf
from custdyn_widgets.publish.freezing import manifest_of, publish, report_files
from custdyn_widgets.publish.handover import Staging
from custdyn_widgets.render.pdf import report_pdf as to_pdf_module
from custdyn_widgets.report import report_difference
from custdyn_widgets.report.report import Report
from custdyn_widgets.settings import Settings, load
from custdyn_widgets.snapshots.store import Store
from tests.make_report import make_report

SMALL = Path(__file__).parents[1] / "golden" / "small" / "mart"
QUERY = ("-s", SMALL, "--interval", "2021-10-01/2021-11-30", "--as-of", "2022-01-01T00:00:00Z")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "SNAPSHOTS", "QUERIES", "MY_QUERIES"):
        monkeypatch.setenv(f"CUSTDYN_{name}", str(tmp_path / name.lower()))
    for name in ("CONFIG", "SHARE_URL", "ROLE", "PDF", "PAPER"):
        monkeypatch.delenv(f"CUSTDYN_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(1)


def custdyn(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in args])
    assert "Traceback" not in result.output
    return result


def settings() -> Settings:
    return load()


def pdf_of(snapshot_id: str | None) -> bytes:
    assert snapshot_id is not None
    return Store(settings().snapshots).read(snapshot_id, "report.pdf")


def text_of(data: bytes) -> str:
    if not shutil.which("pdftotext"):
        pytest.skip("poppler is not installed")
    command = ["pdftotext", "-", "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()


def test_a_snapshot_has_a_pdf_only_if_it_is_asked_for(report: Report, monkeypatch: Any) -> None:
    without = publish(report, settings())
    with pytest.raises(SnapshotNotFoundError):
        pdf_of(without.id)
    asked = freeze(report, pdf=True)
    frozen = pdf_of(asked.id)
    assert frozen == report_pdf(report, paper="A4")
    monkeypatch.setenv("CUSTDYN_PDF", "on")
    monkeypatch.setenv("CUSTDYN_PAPER", "letter")
    assert pdf_of(freeze(report).id) == report_pdf(report, paper="letter") != frozen
    assert not Store(settings().snapshots).verify([without.id, asked.id])
    assert f"Content digest {content_digest(report)[:16]}" in text_of(frozen)


def test_a_difference_has_no_pdf_whatever_the_settings_say(report: Report) -> None:
    difference = report_difference(report, replace(report, rows=()))
    frozen = publish(difference, replace(settings(), pdf=True))
    with pytest.raises(SnapshotNotFoundError):
        pdf_of(frozen.id)
    result = custdyn("snapshots", "pdf", frozen.id, "-o", "d.pdf")
    assert result.exit_code == 1
    assert "comparison of reports" in result.stderr
    assert not Path("d.pdf").exists()


def test_a_report_that_is_too_long_is_frozen_without_it_and_says_so(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_pdf_module, "CELL_LIMIT", 20)
    files = report_files(report, paper="A4")
    assert "report.pdf" not in files
    warnings = manifest_of(report, files, has_pdf=True)["warnings"]
    assert warnings[-1] == "There is no PDF: the report is too long for one (1 rows); use the CSV."
    assert warnings[:-1] == manifest_of(report, files)["warnings"]
    result = custdyn("query", *QUERY, "--format", "pdf", "--freeze", "-o", "long.pdf")
    assert (result.exit_code, Path("long.pdf").exists()) == (1, False)
    assert "but a PDF allows at most 20" in result.stderr
    assert list(Store(settings().snapshots).ids()) == []


def test_without_the_package_nothing_is_published(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(ExportError, match="pip install 'custdyn-widgets"):
        freeze(report, pdf=True)
    result = custdyn("query", *QUERY, "--format", "pdf", "-o", "r.pdf")
    assert (result.exit_code, Path("r.pdf").exists()) == (1, False)
    result = custdyn("run", *QUERY, "--pdf")
    assert result.exit_code == 1
    assert "pip install 'custdyn-widgets[pdf]'" in result.stderr
    assert "Running" not in result.stderr  # no kernel was started
    assert list(Store(settings().snapshots).ids()) == []


def test_a_notebook_asks_the_process_that_runs_it_for_a_pdf(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, asked in (("without", False), ("with", True)):
        folder = tmp_path / name
        folder.mkdir()
        staging = Staging.new(folder)
        for key, value in staging.environment().items():
            monkeypatch.setenv(key, value)
        freeze(report, pdf=asked)
        assert staging.asks_for_pdf is asked
        assert staging.load()[0].rows == report.rows


def test_the_file_of_the_command_line_is_that_of_the_snapshot(tmp_path: Path) -> None:
    result = custdyn("query", *QUERY, "--freeze", "-o", "r.pdf")
    assert result.exit_code == 0, result.stderr
    written = Path("r.pdf").read_bytes()
    [snapshot_id] = Store(settings().snapshots).ids()
    assert f"Wrote r.pdf ({len(written):,} bytes)." in result.stderr
    assert written.startswith(b"%PDF-1.7")
    assert pdf_of(snapshot_id) == written
    assert custdyn("query", *QUERY, "--format", "pdf").stdout_bytes.startswith(b"%PDF-1.7")
    before = sorted((tmp_path / "snapshots").rglob("*"))
    made = custdyn("snapshots", "pdf", f"http://localhost/view?id={snapshot_id}", "-o", "again.pdf")
    assert made.exit_code == 0, made.stderr
    again = text_of(Path("again.pdf").read_bytes())
    assert settings().link(snapshot_id) in "".join(again.split())
    assert sorted((tmp_path / "snapshots").rglob("*")) == before
    numbers = [re.findall(r"\d+\.\d\d", text) for text in (again, text_of(written))]
    assert numbers[0] == numbers[1]


def test_options_that_do_not_fit_are_refused() -> None:
    result = custdyn("query", *QUERY, "--pdf")
    assert result.exit_code == 2
    assert "--pdf needs --freeze" in result.stderr
    frozen = custdyn("query", *QUERY, "--pdf", "--freeze", "--format", "csv")
    assert frozen.exit_code == 0
    [snapshot_id] = Store(settings().snapshots).ids()
    assert pdf_of(snapshot_id).startswith(b"%PDF")
