"""What a notebook leaves for the process that runs it: one report, whole, with all that belongs to it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from custdyn_widgets.errors import ExportError, RunError
from custdyn_widgets.publish.freezing import freeze
from custdyn_widgets.publish.handover import Staging
from custdyn_widgets.snapshots import Evidence
from tests.make_report import make_report

EVIDENCE = Evidence("0123456789abcdef" * 2, b"\x00digests\xff")


@pytest.fixture
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staging:
    """A folder of a run, in the environment as in its kernel."""
    made = Staging.new(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


def test_the_kernel_finds_its_folder_only_if_it_has_both_variables(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Staging.from_environment() == staging
    for name, value in staging.environment().items():
        monkeypatch.setenv(name, "")
        assert Staging.from_environment() is None
        monkeypatch.delenv(name)
        assert Staging.from_environment() is None
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("evidence", [None, EVIDENCE, lambda: EVIDENCE, lambda: None])
def test_the_report_its_drawings_and_its_evidence_arrive_as_they_were(
    staging: Staging, evidence: Evidence | None
) -> None:
    report = replace(make_report(2), evidence=evidence)
    staging.save(report, {"Active": "<svg/>"})
    found, drawn = staging.load()
    assert (found, drawn) == (replace(report, evidence=found.evidence), {"Active": "<svg/>"})
    assert found.evidence == (evidence() if callable(evidence) else evidence)
    assert staging.asks_for_pdf is False
    assert [path.suffix for path in staging.folder.iterdir()] == [".json"]


def test_a_pdf_is_made_only_if_the_notebook_asked_for_one(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Staging.new(staging.folder)
    other.save(make_report(1), {}, pdf=True)
    assert (other.asks_for_pdf, staging.asks_for_pdf) == (True, False)
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ExportError, match="pip install"):
        freeze(make_report(1), pdf=True)


def test_a_second_report_is_refused_where_it_is_frozen_and_where_it_is_awaited(staging: Staging) -> None:
    staging.save(make_report(1), {})
    with pytest.raises(RunError, match="freeze was called a second time"):
        staging.save(make_report(2), {})
    with pytest.raises(RunError, match=r"called freeze twice\. Call it once, in its last cell"):
        staging.load()


def test_a_notebook_that_froze_nothing_is_told_apart_from_one_that_froze_what_is_no_report(
    staging: Staging,
) -> None:
    with pytest.raises(RunError, match="ended without calling freeze"):
        staging.load()
    file = staging.folder / f"{staging.token}.json"
    for content, kind in (
        ("", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError"),
        ('{"report":1}', ""),
    ):
        file.write_text(content)
        with pytest.raises(RunError, match=rf"froze an invalid report \(.*{kind}"):
            staging.load()


def test_what_is_no_number_in_a_drawings_description_is_refused_at_once(staging: Staging) -> None:
    report = make_report(1, charts={"Mine": {"opacity": float("nan")}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        staging.save(report, {})
    assert list(staging.folder.iterdir()) == []
