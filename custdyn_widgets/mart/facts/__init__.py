"""The facts of a mart, which are compact arrays sorted by client, and their cache."""
