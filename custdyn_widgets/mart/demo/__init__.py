"""The demo mart: a fictional operator, generated from a seed."""
