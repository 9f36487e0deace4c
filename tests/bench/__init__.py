"""The benchmark: the same table by DuckDB SQL, by naive pandas and by Customer Dynamics, compared and timed.

`python -m tests.bench` runs it. The parts: `ledger` draws a mart, `question` fixes what is asked,
`answer` turns exact sums into the table, `duckdb_sql` and `naive_pandas` are the peers, `ours` is the
product, `child` runs one of them in its own process, `runner` measures and `__main__` prints.
"""
