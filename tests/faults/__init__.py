"""Faults made on purpose: processes killed, calls that fail, disks that are full, bytes that flip.

Each module is a script, `python -m tests.faults.NAME`, that prints what it did and how often, and ends with
exit code 1 when a law of the snapshot store was broken. `tests/test_faults.py` runs each in a short form.
"""
