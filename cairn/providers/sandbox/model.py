"""What a sandbox is given, what it gives back, and how it says that code failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from cairn.contracts.json import Json, JsonObject, parse

MEMORY_LIMIT = 256 * 1024 * 1024
"""Bytes that code may use."""
RESULT_LIMIT = 10 * 1024 * 1024
"""Bytes of the JSON of what code returns."""

STDOUT_LIMIT = 64 * 1024
"""Characters that are kept of what code prints."""

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
        first: arguments by place.
        arguments: further ones, by keyword.
    """

    code: str
    first: Sequence[Json]
    arguments: JsonObject

    @property
    def given(self) -> JsonObject:
        """What ``run`` is called with, as the inside reads it."""
        return {"first": list(self.first), "arguments": self.arguments}

    def to_json(self) -> str:
        """Return what a sandbox's own process reads."""
        return json.dumps({"code": self.code, "given": json.dumps(self.given)})


@dataclass
class Observed:
    """What was seen of code while it ran, whether it came to a result or not.

    Attributes:
        stdout: what it printed, up to ``STDOUT_LIMIT``.
        memory_bytes: the most memory that it used; None where the sandbox does not tell.
    """

    stdout: str = ""
    memory_bytes: int | None = None


def value_of(text: str) -> Json:
    """Return the value that code returned.

    Args:
        text: its JSON, as a sandbox tells it.

    Raises:
        CodeFailure: it is too large, or none that can be recorded.
    """
    if len(text) > RESULT_LIMIT:
        raise CodeFailure("invalid_result", f"The result has more than {RESULT_LIMIT} bytes")
    try:
        return parse(text)
    except ValueError as error:
        raise CodeFailure("invalid_result", f"What run returned cannot be recorded: {error}") from error


class Sandbox(Protocol):
    """Runs Python without files, network, environment or other processes, within bounds of time, memory and output."""

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        """Return the JSON text of what ``run`` returned.

        What it says is untrusted. A cancellation stops the code.

        Args:
            program: the code.
            seconds: wall time that it may take.
            observed: is told what was seen.

        Raises:
            CodeFailure: there is no result.
        """
        ...

    def series(self) -> Series:
        """Return what runs programs of one owner, one after the other: they may share a process, and nothing else."""
        ...


class Series(Protocol):
    """Runs programs one after the other. Whoever has it calls ``rest`` in the end."""

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        """See :meth:`Sandbox.run`."""
        ...

    async def rest(self) -> None:
        """Let go of the process until the next program, if there is one."""
        ...


class SandboxModule(Protocol):
    """What the module of a sandbox has."""

    def find_problem(self) -> str | None:
        """Say why the sandbox cannot be used on this machine, and what to do; None when it can."""
        ...

    def open_sandbox(self) -> Sandbox:
        """Return the sandbox; nothing is started before code runs."""
        ...
