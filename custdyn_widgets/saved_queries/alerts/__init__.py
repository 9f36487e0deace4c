"""The conditions that decide when the report of a saved query is sent."""
