"""The offline check of a snapshot's ZIP, which needs only Python's standard library.

The modules in this folder import nothing else, so that `snapshots.exporting` can write them into one file
that runs on a machine without this package.
"""
