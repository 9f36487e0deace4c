"""The demo mart: made-up data for a fictional operator, generated from a seed."""
