"""Schedules: cron expressions in a time zone."""
