"""Notes on data that is allowed but probably a mistake, such as usage that is mostly positive."""
