"""``cairn graph check-replay``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.direct import open_temporal
from cairn.cli.output import AsJson, show
from cairn.errors import InvalidInput

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution

    from cairn.settings import Settings
    from cairn.temporal.replay import Replayed


def check_replay(
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many that run; default: all.")] = None,
    ended: Annotated[int, typer.Option(min=0, help="And so many of those that ended last: they can be reset.")] = 100,
    workflow: Annotated[str | None, typer.Option(help="Only executions of this graph (uuid).")] = None,
    execution: Annotated[str | None, typer.Option(help="Only this execution.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay executions with the code at hand: can it go on with them? Ends with 1 when one diverges.

    Asks Temporal alone, as a worker does, and changes nothing. Run it before workers with this code are started.
    """
    from cairn.settings import get_settings

    settings = get_settings()
    query = _query(settings, workflow, execution)
    checked, diverged = asyncio.run(_check(settings, query, limit, ended, as_json))
    document = {"ok": not diverged, "checked": checked, "diverged": [asdict(each) for each in diverged]}
    show(document, as_json, lambda: f"{checked} replayed, {len(diverged) or 'none'} diverged")
    raise typer.Exit(1 if diverged else 0)


def _query(settings: Settings, workflow: str | None, execution: str | None) -> str:
    from cairn.contracts.operations import SEARCH_WORKFLOW

    wanted = {"TaskQueue": settings.task_queue, SEARCH_WORKFLOW: workflow, "WorkflowId": execution}
    if any("'" in value for value in wanted.values() if value):
        raise InvalidInput("An id has no quotes.")
    return " AND ".join(f"{name} = '{value}'" for name, value in wanted.items() if value)


async def _check(
    settings: Settings, query: str, limit: int | None, ended: int, as_json: bool
) -> tuple[int, list[Replayed]]:
    from temporalio.runtime import Runtime, TelemetryConfig

    from cairn.temporal.replay import replay

    # The SDK else writes what it thinks of a divergence to standard output.
    runtime = Runtime(telemetry=TelemetryConfig(logging=None))
    checked = 0
    diverged: list[Replayed] = []
    async with open_temporal(settings, runtime) as client:
        async for each in replay(client, _runs(client, query, limit, ended), runtime):
            checked += 1
            if each.problem is not None:
                diverged.append(each)
                if not as_json:
                    typer.echo(f"✗ {each.workflow_type} {each.workflow_id} (run {each.run_id})\n    {each.problem}")
    return checked, diverged


async def _runs(client: Client, query: str, limit: int | None, ended: int) -> AsyncIterator[WorkflowExecution]:
    """Yield what runs, then what ended last."""
    from cairn.temporal.connection import RPC_TIMEOUT, answered_all

    parts = [(f"{query} AND ExecutionStatus = 'Running'", limit)]
    parts += [(f"{query} AND ExecutionStatus != 'Running'", ended)] if ended else []
    for part, most in parts:
        async for run in answered_all(client.list_workflows(part, limit=most, rpc_timeout=RPC_TIMEOUT)):
            yield run
