"""Facts: a mart as compact arrays, sorted by client, and their cache."""
