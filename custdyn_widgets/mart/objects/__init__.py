"""Data on object storage, copied to this machine so that it is read like any other files."""
