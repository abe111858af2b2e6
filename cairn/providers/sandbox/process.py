"""Running a sandbox's own process: it reads a program, writes one reply, and is killed when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cairn.providers.sandbox.model import RESULT_LIMIT, STDOUT_LIMIT, CodeFailure, FailureCode, Observed

# A reply holds the result as JSON inside JSON, whose escapes at most double it; those of what was printed, sixfold.
_REPLY_LIMIT = 2 * RESULT_LIMIT + 6 * STDOUT_LIMIT + 64 * 1024
_CRASHED = "The interpreter of the code ended: by an exit, an overflow of its stack, or for want of memory"
_FAILURES: dict[str, FailureCode] = {
    "code_error": "code_error",
    "memory_limit": "memory_limit",
    "invalid_result": "invalid_result",
}


_ORPHANS = Path(__file__).with_name("orphans.py")


@cache
def end_with_worker(program: str) -> int | None:
    """See to it that processes of a program, started by this one, do not outlive it; once is enough.

    Returns:
        The end of a pipe whose other end knows by it that this process is there; None where the kernel is not Linux.
    """
    if not sys.platform.startswith("linux"):
        return None
    life, sign_of_life = os.pipe()
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(_ORPHANS), str(os.getpid()), str(os.getpgrp()), program],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, life, 0),
                *((os.POSIX_SPAWN_OPEN, output, os.devnull, os.O_WRONLY, 0) for output in (1, 2)),
            ],
            setsid=True,
        )
    finally:
        os.close(life)
    return sign_of_life


def processes_at_once() -> int:
    """Return how many sandboxes may work side by side in one worker."""
    return max(4, 2 * (os.cpu_count() or 1))


async def exchange(command: Sequence[str], request: bytes, seconds: float, observed: Observed | None = None) -> str:
    """Run a process that reads a request and writes a reply; return the result that the reply holds.

    The process has no environment and is the leader of its own group, which is killed at the end, however it ends.

    Raises:
        CodeFailure: it took too long, ended without a reply, or its reply says that the code failed.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            reply = await _converse(process, request)
    except TimeoutError:
        raise CodeFailure("timeout", f"The code did not end within {seconds:g} seconds") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    memory, _, told = reply.partition(b"\n")
    return _result(told, memory, observed or Observed())


async def _converse(process: asyncio.subprocess.Process, request: bytes) -> bytes:
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None and stdout is not None
    with contextlib.suppress(ConnectionError):
        stdin.write(request)
        await stdin.drain()
    stdin.close()
    reply = bytearray()
    while chunk := await stdout.read(64 * 1024):
        reply += chunk
        if len(reply) > _REPLY_LIMIT:
            raise CodeFailure("invalid_result", f"The result has more than {RESULT_LIMIT} bytes")
    return bytes(reply)


def _result(reply: bytes, memory: bytes, observed: Observed) -> str:
    """Read a reply, which may be anything: the code had the process to itself."""
    try:
        told: Any = json.loads(reply)
        observed.memory_bytes = int(memory) if memory else None
    except (ValueError, RecursionError):
        told = None
    match told:
        case {"stdout": str(printed)}:
            observed.stdout = printed[:STDOUT_LIMIT]
        case _:
            pass
    match told:
        case {"result": str(text)}:
            return text
        case {"failure": str(code), "message": str(message), "trace": str() | None as trace} if code in _FAILURES:
            raise CodeFailure(_FAILURES[code], message, trace)
        case _:
            raise CodeFailure("sandbox_crashed", _CRASHED)
