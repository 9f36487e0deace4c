"""Copying data from object storage to this machine, so that it can be read like local files."""
