"""The activity that runs a graph author's Python in a sandbox."""

from __future__ import annotations

from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from cairn.contracts.nodes import RUN_CODE, NodeCall, NodeResult
from cairn.providers.sandbox import CodeFailure, Program, Sandbox, SandboxMissing, Series, value_of

_TIMEOUT = 300.0


class CodeActivities:
    """Runs code in the sandbox of an installation, or in a series of it."""

    def __init__(self, sandbox: Sandbox | Series) -> None:
        self._sandbox = sandbox

    @activity.defn(name=RUN_CODE.name)
    async def run_code(self, call: NodeCall) -> NodeResult:
        """Call the ``run`` of some code and return what it returns.

        Raises:
            ApplicationError: retryable: ``sandbox_crashed``; not retryable: ``code_error`` (the code raised),
                ``timeout``, ``memory_limit``, ``invalid_result`` and ``sandbox_missing``.
        """
        guard(call)
        data = call.data
        program = Program(data["code"], [data.get("input"), data.get("state") or {}], data.get("arguments") or {})
        async with heartbeating():
            try:
                return NodeResult(value=value_of(await self._sandbox.run(program, _seconds(call))))
            except SandboxMissing as error:
                raise node_error("sandbox_missing", str(error), retryable=False) from error
            except CodeFailure as error:
                again = error.code == "sandbox_crashed"
                raise node_error(error.code, error.message, retryable=again, cause=error.trace) from error


def _seconds(call: NodeCall) -> float:
    """Return the time for the code: a little less than the attempt's, so that the code's own failure is told."""
    timeout = call.timeout or _TIMEOUT
    return max(0.9 * timeout, timeout - 1)
