"""The conditions of a saved query: when its report is sent."""
