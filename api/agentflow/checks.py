"""Asks what the API needs whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, perf_counter

import psutil

from api.agentflow.schemas.system import Check, Health, HealthChecks, Memory, Readiness, ReadinessChecks
from api.kit.context import Context
from cairn import __version__
from cairn.errors import CairnError, Unavailable
from cairn.observability import get_logger
from cairn.temporal.connection import RPC_TIMEOUT, answered

TIMEOUT = 4.0
"""Seconds a check may take; all run at once, so an answer takes no longer."""

_SLOW_LOOP_MS = 1000.0
_log = get_logger("cairn.api")


async def health(context: Context) -> Health:
    """Describe this process."""
    process = psutil.Process()
    before = perf_counter()
    await asyncio.sleep(0)
    lag = _milliseconds(before)
    smooth = lag < _SLOW_LOOP_MS
    check = Check(ok=smooth, latency_ms=lag, detail=None if smooth else "The process is overloaded.")
    return Health(
        status="ok" if smooth else "degraded",
        version=__version__,
        uptime_seconds=round(monotonic() - context.started, 3),
        memory=Memory(rss_bytes=process.memory_info().rss, percent=round(process.memory_percent(), 3)),
        checks=HealthChecks(event_loop=check),
    )


async def readiness(context: Context) -> Readiness:
    """Ask database, Temporal and workers at once."""
    database, temporal, workers = await asyncio.gather(
        _check(context.database.ping, "The database does not answer."),
        _check(lambda: _answers(context), "Temporal does not answer."),
        _check(lambda: _polled(context), "Temporal does not answer."),
    )
    checks = ReadinessChecks(database=database, temporal=temporal, workers=workers)
    ready = database.ok and temporal.ok and workers.ok
    return Readiness(status="ready" if ready else "unavailable", checks=checks)


async def _answers(context: Context) -> None:
    await answered(context.temporal.client.service_client.check_health(timeout=RPC_TIMEOUT))


async def _polled(context: Context) -> None:
    if not await context.temporal.polled():
        raise Unavailable("No worker polls the task queue.")


async def _check(ask: Callable[[], Awaitable[None]], failure: str) -> Check:
    begin = perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT):
            await ask()
    except TimeoutError:
        return Check(ok=False, latency_ms=_milliseconds(begin), detail=failure)
    except CairnError as error:
        return Check(ok=False, latency_ms=_milliseconds(begin), detail=error.message)
    except Exception:
        # A probe must be answered whatever breaks; what it was is in the log, not in a reply that needs no key.
        _log.exception("readiness check failed")
        return Check(ok=False, latency_ms=_milliseconds(begin), detail=failure)
    return Check(ok=True, latency_ms=_milliseconds(begin))


def _milliseconds(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)
