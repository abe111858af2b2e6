"""What a sandbox is given, what it gives back, and how it says that code failed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from cairn.contracts.json import Json, JsonObject

MEMORY_LIMIT = 256 * 1024 * 1024
"""Bytes that code may use."""
RESULT_LIMIT = 10 * 1024 * 1024
"""Bytes of the JSON of what code returns."""

FailureCode: TypeAlias = Literal["code_error", "timeout", "memory_limit", "invalid_result", "sandbox_crashed"]


class SandboxMissing(Exception):
    """The chosen sandbox cannot be used on this machine; trying again does not help."""


class CodeFailure(Exception):
    """Code did not come to a result.

    Attributes:
        code: ``code_error`` (it raised), ``timeout``, ``memory_limit``, ``invalid_result`` (no JSON, or too large) or
            ``sandbox_crashed`` (it ended its interpreter).
        message: for the code's author.
        trace: where in the code, one line a frame.
    """

    def __init__(self, code: FailureCode, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        self.code: FailureCode = code
        self.message = message
        self.trace = trace


@dataclass(frozen=True)
class Program:
    """Code that defines ``run``, and what ``run`` is called with.

    Attributes:
        code: Python source.
        input: first argument.
        state: second argument.
        arguments: further ones, by keyword.
    """

    code: str
    input: Json
    state: JsonObject
    arguments: JsonObject

    def to_json(self) -> str:
        """Return what a sandbox's own process reads."""
        given = {"input": self.input, "state": self.state, "arguments": self.arguments}
        return json.dumps({"code": self.code, "given": json.dumps(given)})


class Sandbox(Protocol):
    """Runs Python without files, network, environment or other processes, within bounds of time, memory and output."""

    async def run(self, program: Program, seconds: float) -> str:
        """Return the JSON text of what ``run`` returned.

        What it says is untrusted. A cancellation stops the code.

        Args:
            program: the code.
            seconds: wall time that it may take.

        Raises:
            CodeFailure: there is no result.
        """
        ...


class SandboxModule(Protocol):
    """What the module of a sandbox has."""

    def find_problem(self) -> str | None:
        """Say why the sandbox cannot be used on this machine, and what to do; None when it can."""
        ...

    def open_sandbox(self) -> Sandbox:
        """Return the sandbox; nothing is started before code runs."""
        ...
