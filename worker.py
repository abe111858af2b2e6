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
from cairn.errors import CairnError
from cairn.observability.logs import configure_logging, get_logger
from cairn.observability.metrics import temporal_runtime
from cairn.observability.traces import configure_tracing, temporal_interceptors
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings, get_settings
from cairn.temporal.connection import connect
from cairn.temporal.deployments import DeploymentClient, worker_config, workflow_runner
from cairn.temporal.replay import SINGLE_BATCH
from cairn.temporal.schedules import ensure_collect_blobs, ensure_reconcile
from cairn.temporal.server import register_search_attributes
from workflows.registry import WORKFLOWS


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
    """Work until SIGTERM or SIGINT; then let what runs end, for at most ten seconds."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    database = Database(create_engine(settings.database))
    client = await connect(
        settings, interceptors=temporal_interceptors(settings), runtime=temporal_runtime(settings), lazy=False
    )
    await register_search_attributes(client)
    async with running_worker(client, database, settings):
        await _be_current(client, settings)
        await ensure_reconcile(client, settings.task_queue)
        await ensure_collect_blobs(client, settings.task_queue)
        get_logger("worker").info("worker serves", task_queue=settings.task_queue, build_id=settings.build_id)
        await stop.wait()
    await database.dispose()


async def _be_current(client: Client, settings: Settings) -> None:
    try:
        if await DeploymentClient(client, settings).ensure_current():
            get_logger("worker").info("the first version is current", build_id=settings.build_id)
    except CairnError as error:
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
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(settings))
    return 0


if __name__ == "__main__":
    orderly.run(main)
