"""Check a mart: read every value exactly and report every fault."""
