"""The conditions that decide when a saved query's report is sent."""
