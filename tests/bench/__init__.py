"""The benchmark: one table by DuckDB SQL, Polars, naive pandas and Customer Dynamics, compared and timed.

`python -m tests.bench` runs it. The parts: `ledger` draws a mart, `question` fixes what is asked,
`answer` turns exact sums into the table, `duckdb_sql`, `polars_lazy` and `naive_pandas` are the peers,
`ours` is the product, `duckdb_dynamics`, `duckdb_clients` and `our_dynamics` say who moved and what changed,
`our_workbook` and `openpyxl_workbook` write a report as XLSX, `workbook` reads the cells back,
`child` runs one of them in its own process, `runner` measures, `figures` has the ratios and their targets,
`document` writes them down with a plot, and `__main__` prints.
"""
