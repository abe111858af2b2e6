"""The activity that runs a graph author's Python in a sandbox."""

from __future__ import annotations

import asyncio

from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from cairn.contracts.json import Json, parse
from cairn.contracts.nodes import RUN_CODE, NodeCall, NodeResult
from cairn.providers.sandbox import RESULT_LIMIT, CodeFailure, Program, Sandbox, SandboxMissing, open_sandbox
from cairn.settings import Settings

_TIMEOUT = 300.0


class CodeActivities:
    """Runs code in the sandbox of an installation, which is opened when the first code comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sandbox: Sandbox | None = None
        self._opening = asyncio.Lock()

    @activity.defn(name=RUN_CODE.name)
    async def run_code(self, call: NodeCall) -> NodeResult:
        """Call the ``run`` of some code and return what it returns.

        Raises:
            ApplicationError: retryable: ``sandbox_crashed``; not retryable: ``code_error`` (the code raised),
                ``timeout``, ``memory_limit``, ``invalid_result`` and ``sandbox_missing``.
        """
        guard(call)
        data = call.data
        program = Program(data["code"], data.get("input"), data.get("state") or {}, data.get("arguments") or {})
        async with heartbeating():
            try:
                sandbox = await self._open()
                text = await sandbox.run(program, _seconds(call))
                return NodeResult(value=_value(text))
            except SandboxMissing as error:
                raise node_error("sandbox_missing", str(error), retryable=False) from error
            except CodeFailure as error:
                again = error.code == "sandbox_crashed"
                raise node_error(error.code, error.message, retryable=again, cause=error.trace) from error

    async def _open(self) -> Sandbox:
        async with self._opening:
            if self._sandbox is None:
                self._sandbox = await asyncio.to_thread(open_sandbox, self._settings)
            return self._sandbox


def _seconds(call: NodeCall) -> float:
    """Return the time for the code: a little less than the attempt's, so that the code's own failure is told."""
    timeout = call.timeout or _TIMEOUT
    return max(0.9 * timeout, timeout - 1)


def _value(text: str) -> Json:
    if len(text) > RESULT_LIMIT:
        raise CodeFailure("invalid_result", f"The result has more than {RESULT_LIMIT} bytes")
    try:
        return parse(text)
    except ValueError as error:
        raise CodeFailure("invalid_result", f"What run returned cannot be recorded: {error}") from error
