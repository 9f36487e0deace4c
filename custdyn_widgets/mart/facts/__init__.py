"""Build facts, the compact arrays of a mart sorted by client, and cache them."""
