"""Marts whose ledger stays on a Spark cluster, which checks it and computes on it part by part."""
