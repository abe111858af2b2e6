"""Sandboxes for the Python of graph authors, behind one registry: ``eryx`` and ``monty``."""

from cairn.providers.sandbox.model import RESULT_LIMIT, CodeFailure, Program, Sandbox, SandboxMissing
from cairn.providers.sandbox.registry import default_sandbox, find_problem, open_sandbox

__all__ = [
    "RESULT_LIMIT",
    "CodeFailure",
    "Program",
    "Sandbox",
    "SandboxMissing",
    "default_sandbox",
    "find_problem",
    "open_sandbox",
]
