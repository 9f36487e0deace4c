"""Notes on data that is allowed but probably wrong, such as usage that is mostly positive."""
