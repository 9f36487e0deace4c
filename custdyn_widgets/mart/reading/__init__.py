"""Read tables from CSV, Parquet and DuckDB files, and from tables in memory."""
