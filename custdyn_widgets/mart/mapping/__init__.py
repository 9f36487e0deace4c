"""Mappings: SELECT statements that turn the tables of another system into those of a mart."""
