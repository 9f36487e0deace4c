"""Reading tables from CSV, Parquet and DuckDB files and from DataFrames."""
