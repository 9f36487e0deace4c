"""Mappings: SELECT statements that turn another system's tables into the tables of a mart."""
