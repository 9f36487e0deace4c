"""Generate the demo mart: a fictional operator, drawn from a seed."""
