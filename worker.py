"""The worker: settings -> client -> Worker(registries)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker._workflow_instance import _WorkflowLogicFlag  # pyright: ignore[reportPrivateUsage]

from activities.guard import HEARTBEAT_INTERVAL
from activities.registry import Dependencies, activities
from cairn import orderly
from cairn.observability.logs import configure_logging, get_logger
from cairn.observability.metrics import temporal_runtime
from cairn.observability.traces import configure_tracing, temporal_interceptors
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings, get_settings
from cairn.temporal.blob_owners import OwningWorkflowRunner
from cairn.temporal.connection import connect
from cairn.temporal.schedules import ensure_collect_blobs, ensure_reconcile
from cairn.temporal.server import register_search_attributes
from workflows.registry import WORKFLOWS


def make_worker(client: Client, database: Database, settings: Settings) -> Worker:
    """Return a worker that serves every workflow and activity on the settings' task queue."""
    worker = Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=activities(Dependencies(settings=settings, database=database, client=client)),
        # Workflows import pure code alone (an architecture test is the guard); the sandbox costs each start 3-6 ms.
        workflow_runner=OwningWorkflowRunner(),
        max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )
    # A reset's new seed and the commands that it reapplies must reach a workflow together, or a command could act
    # before the workflow knows of the reset. The flag is recorded in history, so it has been set from the first
    # release; the SDK plans it as its default, until then there is no public way to set it.
    single_batch = _WorkflowLogicFlag.PROCESS_WORKFLOW_ACTIVATION_JOBS_AS_SINGLE_BATCH
    worker._set_default_workflow_logic_flag(single_batch, enabled=True)  # pyright: ignore[reportPrivateUsage]
    return worker


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then let what runs end, for at most ten seconds."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    database = Database(create_engine(settings.database))
    client = await connect(
        settings, interceptors=temporal_interceptors(settings), runtime=temporal_runtime(settings), lazy=False
    )
    await register_search_attributes(client)
    async with make_worker(client, database, settings):
        await ensure_reconcile(client, settings.task_queue)
        await ensure_collect_blobs(client, settings.task_queue)
        get_logger("worker").info("worker serves", task_queue=settings.task_queue)
        await stop.wait()
    await database.dispose()


def main() -> int:
    """Run a worker; return the exit status."""
    settings = get_settings()
    orderly.die_with_parent()
    configure_logging(settings, "worker")
    configure_tracing(settings, "worker")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    orderly.run(main)
