"""Syncing: reading a database into a mart of Parquet files."""
