"""Surface omium: callers start, inspect, replay and roll back executions."""
