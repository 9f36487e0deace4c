"""Schedules: cron expressions on the clock of a time zone."""
