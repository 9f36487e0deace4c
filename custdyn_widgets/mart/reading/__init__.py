"""Read marts from CSV, Parquet and DuckDB files, and from tables in memory."""
