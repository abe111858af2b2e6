"""Executions: started, read, commanded, reset."""
