"""Facts, the compact arrays of a mart sorted by client, and their cache."""
