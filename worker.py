"""The worker: settings -> client -> Worker(registries)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import uvloop
from temporalio.client import Client
from temporalio.worker import Worker

from activities.guard import PROMPT
from activities.registry import Dependencies, activities
from cairn import orderly
from cairn.errors import CairnError, Conflict, Unavailable
from cairn.observability.logs import configure_logging, get_logger
from cairn.observability.metrics import temporal_runtime
from cairn.observability.traces import configure_tracing, temporal_interceptors
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings, get_settings
from cairn.temporal.connection import TEMPORAL_UNAVAILABLE, answered, connect, is_away
from cairn.temporal.deployments import DeploymentClient, worker_config, workflow_runner
from cairn.temporal.replay import SINGLE_BATCH
from cairn.temporal.schedules import ensure_collect_blobs, ensure_reconcile
from cairn.temporal.server import register_search_attributes
from workflows.registry import WORKFLOWS

_PAUSE = 2.0
"""Seconds before a start is tried again."""

_TRY = timedelta(seconds=10)
"""How long a try waits for one answer of Temporal."""

_SILENT = "nothing came back"


@asynccontextmanager
async def running_worker(client: Client, database: Database, settings: Settings) -> AsyncGenerator[Worker]:
    """Serve every workflow and activity on the settings' task queue; in the end close what activities had opened."""
    async with AsyncExitStack() as closing:
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            workflows=WORKFLOWS,
            activities=activities(Dependencies(settings, database, client, closing)),
            workflow_runner=workflow_runner(settings),
            deployment_config=worker_config(settings),
            max_concurrent_workflow_tasks=settings.worker_workflow_tasks,
            max_concurrent_activities=settings.worker_activities,
            # Who bounds them wants tenants to take turns, and an eager activity never is in the queue where they do.
            disable_eager_activity_execution=settings.bounds_activities,
            max_heartbeat_throttle_interval=PROMPT,
            graceful_shutdown_timeout=timedelta(seconds=10),
        )
        worker._set_default_workflow_logic_flag(SINGLE_BATCH, enabled=True)  # pyright: ignore[reportPrivateUsage]
        async with worker:
            yield worker


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then let what runs end, for at most ten seconds.

    As long as Temporal does not answer the start is tried again; a signal ends that at once.

    Raises:
        Unavailable: it did not answer for ``temporal_patience`` seconds.
    """
    program = _Program(settings)
    try:
        async with asyncio.timeout(settings.temporal_patience) as program.start:
            for name in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(name, program.leave)
            await program.run()
    except TimeoutError as error:
        if not program.stop.is_set():
            patience = f"{settings.temporal_patience:g} s"
            raise Unavailable(f"Temporal did not answer for {patience}: {program.away}") from error
    finally:
        await program.database.dispose()


class _Program:
    """What stays from one try of the start to the next.

    Attributes:
        start: until when it may take; None once there is work.
        stop: set when a signal came.
        away: why the last try came to nothing.
    """

    start: asyncio.Timeout
    away: str = _SILENT

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(create_engine(settings.database))
        self.stop = asyncio.Event()
        self._runtime = temporal_runtime(settings)

    def leave(self) -> None:
        """End the work in order, or the start at once."""
        self.stop.set()
        if self.start.when() is not None:
            with contextlib.suppress(RuntimeError):  # its time is over already
                self.start.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Work to the end, which begins as soon as Temporal answers."""
        while True:
            try:
                # In a task of its own: a worker that cannot go on cancels the one in which it was begun.
                return await asyncio.create_task(self._serve())
            except Exception as error:
                if self.start.expired():  # a worker that ends by an error of its own tells nothing of being cancelled
                    raise asyncio.CancelledError from error
                if self.start.when() is None or not _is_away(error):
                    raise
                self.away = _why(error)
                get_logger("worker").warning("Temporal does not answer yet", again_in_seconds=_PAUSE, error=self.away)
            await asyncio.sleep(_PAUSE)

    async def _serve(self) -> None:
        settings = self.settings
        interceptors = temporal_interceptors(settings)
        connecting = connect(settings, interceptors=interceptors, runtime=self._runtime, lazy=False)
        client = await answered(connecting, _TRY)
        await answered(register_search_attributes(client), _TRY)
        async with running_worker(client, self.database, settings):
            await _be_current(client, settings)
            await ensure_reconcile(client, settings.task_queue)
            await ensure_collect_blobs(client, settings.task_queue)
            get_logger("worker").info("worker serves", task_queue=settings.task_queue, build_id=settings.build_id)
            self.start.reschedule(None)
            await self.stop.wait()


def _is_away(error: Exception) -> bool:
    if isinstance(error, CairnError):
        return error.code == TEMPORAL_UNAVAILABLE
    # The second is what the SDK raises when Temporal is gone again before it has told of its namespace.
    return is_away(error) or str(error).startswith("Worker validation failed")


def _why(error: Exception) -> str:
    """Return what was really wrong: a name, an address, a certificate or a namespace, say."""
    return str(error.__cause__ or error if isinstance(error, CairnError) else error) or _SILENT


async def _be_current(client: Client, settings: Settings) -> None:
    try:
        if await DeploymentClient(client, settings).ensure_current():
            get_logger("worker").info("the first version is current", build_id=settings.build_id)
    except Conflict as error:
        get_logger("worker").warning(
            "new executions wait until a version is current: cairn deployments set-current",
            build_id=settings.build_id,
            error=error.message,
        )


def main() -> int:
    """Run a worker; return the exit status."""
    settings = get_settings()
    orderly.die_with_parent()
    configure_logging(settings, "worker")
    configure_tracing(settings, "worker")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(settings))
    except CairnError as error:
        get_logger("worker").error("worker ends", code=error.code, error=error.message)
        return 1
    return 0


if __name__ == "__main__":
    orderly.run(main)
