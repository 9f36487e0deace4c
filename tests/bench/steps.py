"""What is run for each figure: by which contender, on which question, from which state."""

from __future__ import annotations

from dataclasses import dataclass

from .question import CLIENTS, DYNAMICS, QUESTIONS, WORKBOOK


@dataclass(frozen=True)
class Step:
    """What one contender does for one figure.

    Attributes
    ----------
    name
        What the figures call it.
    contender
        Its module; "" for whole commands.
    question
        A key of `QUESTIONS`, `DYNAMICS` or `WORKBOOKS`, or "" for none.
    steps
        `check`, `report` or both.
    empty_cache
        Whether each process starts with a cache that holds nothing.
    warm
        Whether to time further calls in one process too.
    """

    name: str
    contender: str
    question: str
    steps: tuple[str, ...] = ("report",)
    empty_cache: bool = False
    warm: bool = True

    @property
    def imports(self) -> tuple[str, ...]:
        """What is imported before the first call is timed, though the contender imports it only then.

        Ours imports the rest when it needs it, so where it reads that belongs to the call.
        """
        is_ours = self.contender in ("ours", "our_dynamics")
        return ("custdyn_widgets.engine.report",) if is_ours and not self.empty_cache else ()


SQL_CLIENTS = "DuckDB SQL, clients"
CACHED, FIRST, OURS = "ours, report on cached facts", "ours, facts and first report", "ours, report"
SQL, SQL_CHECKED, PANDAS = "DuckDB SQL, report", "DuckDB SQL, checks and report", "naive pandas, report"
POLARS, POLARS_CHECKED = "Polars, report", "Polars, checks and report"
OUR_XLSX, OPENPYXL = "ours, all sheets and charts", "openpyxl, the same cells"
BOTH = ("check", "report")

MONTHS, DAYS, YEAR, EVERY_DAY, *FILTERED = QUESTIONS
STEPS = (
    Step(PANDAS, "naive_pandas", MONTHS, warm=False),
    Step(SQL_CHECKED, "duckdb_sql", MONTHS, BOTH, warm=False),
    Step(SQL, "duckdb_sql", MONTHS),
    Step(POLARS_CHECKED, "polars_lazy", MONTHS, BOTH, warm=False),
    Step(POLARS, "polars_lazy", MONTHS),
    Step("ours, facts", "ours", "", ("check",), empty_cache=True, warm=False),
    Step(FIRST, "ours", MONTHS, empty_cache=True, warm=False),
    Step(CACHED, "ours", MONTHS),
    Step(SQL_CHECKED, "duckdb_sql", DAYS, BOTH, warm=False),
    Step(SQL, "duckdb_sql", DAYS),
    Step(POLARS_CHECKED, "polars_lazy", DAYS, BOTH, warm=False),
    Step(POLARS, "polars_lazy", DAYS),
    Step(FIRST, "ours", DAYS, empty_cache=True, warm=False),
    Step(CACHED, "ours", DAYS),
    *(
        Step(name, contender, question)
        for question in FILTERED
        for name, contender in ((SQL, "duckdb_sql"), (OURS, "ours"))
    ),
    *(
        Step(name, contender, question)
        for question in DYNAMICS
        for name, contender in (
            (SQL_CLIENTS, "duckdb_clients") if question == CLIENTS else (SQL, "duckdb_dynamics"),
            (OURS, "our_dynamics"),
        )
    ),
    Step(OPENPYXL, "openpyxl_workbook", WORKBOOK),
    Step(OUR_XLSX, "our_workbook", WORKBOOK),
)

# Growth: with buckets on the same mart, with rows on smaller ones.
BUCKETS = {len(QUESTIONS[name].labels): name for name in (YEAR, MONTHS, DAYS, EVERY_DAY)}
BUCKET_STEPS = tuple(
    Step(name, contender, question, warm=False)
    for question in (YEAR, EVERY_DAY)
    for name, contender in ((SQL, "duckdb_sql"), (CACHED, "ours"))
)
SHARES = (4, 2)  # the smaller marts have a fourth and half of the rows
SIZE_STEPS = (
    Step(SQL_CHECKED, "duckdb_sql", MONTHS, BOTH, warm=False),
    Step(SQL, "duckdb_sql", MONTHS, warm=False),
    Step(FIRST, "ours", MONTHS, empty_cache=True, warm=False),
    Step(CACHED, "ours", MONTHS, warm=False),
)
