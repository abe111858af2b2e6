"""Requests to people: approvals and questions; asked by executions, answered through the API or a link."""
