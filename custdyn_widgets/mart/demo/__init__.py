"""The demo mart: an invented operator, drawn from a seed."""
