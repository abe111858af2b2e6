"""Payloads of activities, signals, updates and queries, and the references to activities. Pydantic and stdlib only."""
