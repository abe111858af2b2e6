"""Cairn: a durable orchestration engine for AI-agent graphs, on Temporal."""

__version__ = "0.1.0"
