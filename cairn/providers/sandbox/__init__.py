"""Sandboxes for the Python of graph authors, behind one registry: ``eryx`` and ``monty``."""

from cairn.providers.sandbox.model import (
    RESULT_LIMIT,
    STDOUT_LIMIT,
    CodeFailure,
    Observed,
    Program,
    Sandbox,
    SandboxMissing,
    Series,
    value_of,
)
from cairn.providers.sandbox.registry import SandboxInForce, default_sandbox, find_problem, open_sandbox

__all__ = [
    "RESULT_LIMIT",
    "STDOUT_LIMIT",
    "CodeFailure",
    "Observed",
    "Program",
    "Sandbox",
    "SandboxInForce",
    "SandboxMissing",
    "Series",
    "default_sandbox",
    "find_problem",
    "open_sandbox",
    "value_of",
]
