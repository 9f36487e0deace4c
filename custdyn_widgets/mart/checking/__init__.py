"""Checking: every value read exactly, every fault named."""
