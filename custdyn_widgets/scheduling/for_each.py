"""One report for each reseller: the mart is read once, and each report holds its reseller's clients alone.

The notebook has no part in it: a kernel for each of hundreds would take minutes, and one kernel for all of
them would hold the data of each beside the others'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.publish import Frozen, publish
from custdyn_widgets.report import Report
from custdyn_widgets.scheduling.company_addresses import read_addresses
from custdyn_widgets.scheduling.making import Made, Task, settled
from custdyn_widgets.scheduling.records import Outcome
from custdyn_widgets.settings import Settings

_LEFT_OUT = (
    "Faulty rows of the source are left out. Nobody can say whose they are, so they are not counted here."
)


def make_each(task: Task, progress: Callable[[str], None]) -> Iterator[Made]:
    """Yield the report of each company of the file of addresses; one that fails keeps no other from its own.

    Raises
    ------
    CustDynError
        If there can be none: the file has a fault, or the source cannot be read. Nothing was published.
    """
    from custdyn_widgets.engine import report_on  # late: loads pandas
    from custdyn_widgets.mart import open_mart

    saved, order = task.saved, task.order
    assert saved.for_each is not None
    if order.template is not None or order.parameters:
        raise RunError(
            f"The saved query {order.name} makes a report for each company, which no notebook does: leave "
            "the template and its parameters out."
        )
    addresses = read_addresses(task.folder / saved.for_each.addresses)
    progress("Reading the data")
    mart = open_mart(order.source_of(saved))
    if mart.warnings:  # they count and sum what was set aside of all
        mart = replace(mart, warnings=(_LEFT_OUT,))
    for number, (company, recipients) in enumerate(addresses.items(), start=1):
        progress(f"Report {number:,} of {len(addresses):,}: {company}")
        query = replace(saved.query, company=(company,), include_descendants=True)
        try:
            report = report_on(query, mart, task.logical_time)
            yield settled(task, report, partial(_published, settings=task.settings), recipients, company)
        except CustDynError as error:
            yield Made(Outcome("failed", company, problem=error.message))


def _published(report: Report, settings: Settings) -> Frozen:
    from custdyn_widgets.render import with_own_presets

    return publish(with_own_presets(report), settings)
