"""The search for secrets in what is published."""
