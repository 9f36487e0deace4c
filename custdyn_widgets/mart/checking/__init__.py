"""Checking a mart: every value is read exactly, and every fault is reported."""
