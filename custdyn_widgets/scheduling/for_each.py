"""One report for each company: the data is read once, and each report contains only its company's clients.

No notebook is run, because starting kernels for hundreds of companies would take minutes, and a single kernel
would contain the data of all companies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from custdyn_widgets.errors import CustDynError, RunError, SavedQueryError
from custdyn_widgets.publish import Frozen, publish
from custdyn_widgets.report import Report
from custdyn_widgets.scheduling.company_addresses import read_addresses
from custdyn_widgets.scheduling.making import MadeReport, Task, freeze_unless_excluded
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.settings import Settings

_LEFT_OUT = "Faulty rows of the source are left out. They may belong to any company and are not counted here."


def make_each(task: Task, progress: Callable[[str], None]) -> Iterator[MadeReport]:
    """Yield a report for each company in the address file; a failed report does not stop the others.

    Raises
    ------
    CustDynError
        If the file has faults, the source cannot be read, or the reports lack a condition's column.
        In these cases, nothing has been published.
    """
    from custdyn_widgets.engine import report_on  # imported late: loads pandas
    from custdyn_widgets.mart import open_mart

    saved, request = task.saved, task.request
    assert saved.for_each is not None
    if request.template is not None or request.parameters:
        raise RunError(
            f"The saved query {request.name} makes a report for each company without running a notebook: "
            "leave out the template and its parameters."
        )
    addresses = read_addresses(task.folder / saved.for_each.addresses)
    progress("Reading the data")
    mart = open_mart(request.source_of(saved))
    if mart.warnings:  # these warnings count the faulty rows of all companies
        mart = replace(mart, warnings=(_LEFT_OUT,))
    freeze = partial(_published, settings=task.settings, saved_query=request.name, for_each=saved.for_each.by)
    for number, (company, recipients) in enumerate(addresses.items(), start=1):
        progress(f"Report {number:,} of {len(addresses):,}: {company}")
        query = replace(saved.query, company=(company,), include_descendants=True)
        try:
            report = report_on(query, mart, task.logical_time)
            yield freeze_unless_excluded(task, report, freeze, recipients, company)
        except SavedQueryError:  # the condition's column is missing for every company
            raise
        except CustDynError as error:
            yield MadeReport(Outcome("failed", company, problem=error.message))


def _published(report: Report, settings: Settings, saved_query: str, for_each: str) -> Frozen:
    from custdyn_widgets.render import with_own_presets

    return publish(with_own_presets(report), settings, saved_query=saved_query, for_each=for_each)
