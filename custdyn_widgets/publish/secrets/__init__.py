"""The search for secrets before publication."""
