"""The sandbox ``monty``: an interpreter of its own for the core of Python, which has no way to the machine at all.

It has no files, network, environment or processes to be reached, and a part of the standard library (``json``, ``re``,
``math``, ``datetime``, ``collections``, ``itertools``, …). Each program, or
each series of them, has a process of its own.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.providers.sandbox.model import (
    MEMORY_LIMIT,
    STDOUT_LIMIT,
    CodeFailure,
    FailureCode,
    Observed,
    Program,
    Sandbox,
)
from cairn.providers.sandbox.process import end_with_worker, processes_at_once

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, AsyncMontySession, MontyRuntimeError

_OUTPUT_LIMIT = 1024 * 1024
_TURN = 1.0
"""Seconds after which a series lets go of its process between two programs, when others wait for one."""
_LIMITS: dict[str, FailureCode] = {"memory limit exceeded": "memory_limit", "feed time limit exceeded": "timeout"}
# Follows the code, so that the lines of the code keep their numbers.
_CALL = """
import json as _json
_value = run(*_given['first'], **_given['arguments'])
try:
    _reply = {'result': _json.dumps(_value, allow_nan=False)}
except (TypeError, ValueError, RecursionError) as _error:
    _reply = {'invalid': type(_error).__name__ + ': ' + str(_error)}
_json.dumps(_reply)
"""


def find_problem() -> str | None:
    """Say what is missing."""
    if importlib.util.find_spec("pydantic_monty") is None:
        return "The sandbox monty is not installed: install pydantic-monty, or choose another one by CAIRN_SANDBOX"
    from pydantic_monty._binary import find_monty_binary

    try:
        find_monty_binary()
    except FileNotFoundError as error:
        return f"The sandbox monty cannot be used: {error}"
    return None


def open_sandbox() -> Sandbox:
    """Return the sandbox."""
    return Monty()


class Monty:
    """Runs programs in processes that end with them, or with a series of them."""

    def __init__(self) -> None:
        self._binary: Path | None = None
        self._opening = asyncio.Lock()

    @cached_property
    def places(self) -> asyncio.Semaphore:
        """As many as processes may be there."""
        return asyncio.Semaphore(processes_at_once())

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        """See :class:`Sandbox`."""
        alone = self.series()
        try:
            return await alone.run(program, seconds, observed)
        finally:
            await alone.rest()

    def series(self) -> _Series:
        """See :class:`Sandbox`."""
        return _Series(self)

    async def process(self) -> AsyncMonty:
        """Start a process; it has an interpreter of its own for each program."""
        async with self._opening:
            if self._binary is None:
                await asyncio.to_thread(importlib.import_module, "pydantic_monty")
                from pydantic_monty._binary import find_monty_binary

                self._binary = Path(find_monty_binary())
                end_with_worker(str(self._binary))
        from pydantic_monty import AsyncMonty

        return await AsyncMonty(binary_path=self._binary, min_processes=0, max_processes=1).__aenter__()


class _Series:
    def __init__(self, monty: Monty) -> None:
        self._monty = monty
        self._process: AsyncMonty | None = None
        self._since = 0.0

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        process = self._process or await self._start()
        try:
            result = await _run(process, program, seconds, observed or Observed())
        except BaseException:
            await self.rest()
            raise
        if self._monty.places.locked() and time.monotonic() - self._since > _TURN:
            await self.rest()
        return result

    async def rest(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            try:
                await process.__aexit__(None, None, None)
            finally:
                self._monty.places.release()

    async def _start(self) -> AsyncMonty:
        await self._monty.places.acquire()
        try:
            self._process = await self._monty.process()
        except BaseException:
            self._monty.places.release()
            raise
        self._since = time.monotonic()
        return self._process


async def _run(process: AsyncMonty, program: Program, seconds: float, observed: Observed) -> str:
    limits = {"max_memory": MEMORY_LIMIT, "max_feed_duration_secs": seconds, "max_total_sleep_secs": seconds}
    async with process.checkout(script_name="code", limits=limits) as session:  # pyright: ignore[reportArgumentType]
        try:
            # A cancellation kills the process, whatever it is at.
            async with asyncio.timeout(seconds):
                return await _feed(session, program, observed)
        except TimeoutError:
            raise CodeFailure("timeout", f"The code did not end within {seconds:g} seconds") from None


async def _feed(session: AsyncMontySession, program: Program, observed: Observed) -> str:
    from pydantic_monty import CollectString, MontyCrashedError, MontyRuntimeError, MontySyntaxError

    output = CollectString(max_bytes=_OUTPUT_LIMIT)
    try:
        reply = await session.feed_run(program.code + _CALL, inputs={"_given": program.given}, print_callback=output)
    except MontyRuntimeError as error:
        raise _failure(error, program) from error
    except MontySyntaxError as error:
        raise CodeFailure("code_error", f"SyntaxError: {error}") from error
    except MontyCrashedError as error:
        raise CodeFailure("sandbox_crashed", f"The interpreter of the code ended: {error}") from error
    finally:
        observed.stdout = output.output[:STDOUT_LIMIT]
    return _result(reply)


def _result(reply: object) -> str:
    """Read the reply, which may be anything: the code can have changed what its names mean."""
    told: object = None
    if isinstance(reply, str):
        told = json.loads(reply)
    match told:
        case {"result": str(text)}:
            return text
        case {"invalid": str(message)}:
            raise CodeFailure("invalid_result", f"What run returned is no JSON: {message}")
        case _:
            raise CodeFailure("invalid_result", "The code replaced what returns its result")


def _failure(error: MontyRuntimeError, program: Program) -> CodeFailure:
    inner = error.exception()
    code: FailureCode = "code_error"
    for start, limit in _LIMITS.items():
        if str(inner).startswith(start):
            code = limit
    lines = len(program.code.splitlines())
    trace = [
        f"line {frame.line}, in {frame.function_name or '<module>'}: {(frame.source_line or '').strip()}"[:200]
        for frame in error.traceback()
        if frame.line <= lines
    ]
    return CodeFailure(code, error.display("type-msg"), "\n".join(trace[-10:]) or None)
