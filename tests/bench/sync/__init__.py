"""The benchmark of getting data in: a sync of a database, and a mapping over CSV files, against code by hand.

`python -m tests.bench.sync --rows N` draws the same ledger in PostgreSQL, in MariaDB and in CSV files with
semicolons and decimal commas. Each contender turns it into Parquet in a process of its own.
"""
