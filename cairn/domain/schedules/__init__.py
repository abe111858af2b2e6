"""Schedules: executions that are started at times."""
