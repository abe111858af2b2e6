"""What an operator does with Temporal's own tools obeys the same rules and shows in the API."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, until
from temporalio.api.sdk.v1 import WorkflowMetadata

from cairn.domain.executions.model import ExecutionFilter
from cairn.domain.executions.reconcile import Reconciler
from cairn.persistence.types import utc_now
from cairn.temporal.server import find_server


async def temporal(cairn: Cairn, *words: str) -> str:
    """Run Temporal's command line against the test's server."""
    source = find_server(cairn.settings)
    binary = shutil.which(source.where)
    assert binary
    address = f"127.0.0.1:{cairn.settings.temporal_port}"
    process = await asyncio.create_subprocess_exec(
        binary, *words, "--address", address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def reset(cairn: Cairn, execution, name: str, *more: str) -> None:
    checkpoint = next(c for c in execution.checkpoints if c.name == name)
    await temporal(
        cairn, "workflow", "reset", "--workflow-id", execution.temporal.workflow_id, "--run-id",
        checkpoint.run_id, "--event-id", str(checkpoint.point), "--reason", "by hand", *more,
    )  # fmt: skip


@pytest.mark.history("operator_reset")
async def test_a_default_reset_with_a_resume_and_a_patch_in_history_lands_paused(cairn: Cairn, world) -> None:
    graph = sequence(noting("a"), waiting("gate"), noting("c"), state={"m": {"default": 1}})
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])
    # After checkpoint "a": a pause, a patch and a resume, all of which a default reset applies again.
    for command in ("pause", "patch", "resume"):
        async with cairn.executions() as service:
            if command == "patch":
                await service.patch(execution.id, None, {"m": 2})
            else:
                await getattr(service, command)(execution.id)
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    await reset(cairn, done, "a")

    async def landed():
        now = await cairn.get(execution.id)
        return now if now.status == "paused" else None

    back = await until(landed)
    assert back.revision > done.revision
    assert [c.name for c in back.checkpoints] == ["start", "a"]
    assert len(world.effects("c")) == 1
    async with cairn.executions() as service:
        state = await service.checkpoint(execution.id, back.checkpoints[-1].id)
        await service.resume(execution.id)
    assert state.state == {"m": 1}
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("c")) == 2
    assert len(world.effects("a")) == 1


@pytest.mark.history("operator_reset_to_start")
async def test_a_default_reset_to_the_first_task_lands_paused(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a")))
    done = await cairn.reach(execution.id, "completed")
    await reset(cairn, done, "start")
    back = await cairn.reach(execution.id, "paused")
    assert [c.name for c in back.checkpoints] == ["start"]
    assert back.revision == 1
    assert len(world.effects("a")) == 1


@pytest.mark.history("operator_reset_cancelled")
async def test_a_cancellation_that_a_reset_brings_along_is_not_heeded(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
    await until(lambda: world.waiting["gate"])
    await cairn.client.get_workflow_handle(execution.id).cancel()
    cancelled = await cairn.reach(execution.id, "cancelled")
    await reset(cairn, cancelled, "a")
    await cairn.reach(execution.id, "paused")
    async with cairn.executions() as service:
        await service.cancel(execution.id)
    await cairn.reach(execution.id, "cancelled")


async def test_what_a_reset_keeps_of_a_cancellation_is_not_heeded_and_another_one_is(idle_cairn: Cairn) -> None:
    cairn = idle_cairn
    execution = await cairn.run(sequence(node("w", "wait", event={"name": "go"})))
    # Before any worker has seen it, so that it is in history before the checkpoint's point.
    await cairn.client.get_workflow_handle(execution.id).cancel()
    async with cairn.worker():
        cancelled = await cairn.reach(execution.id, "cancelled")
        await reset(cairn, cancelled, "start")
        await cairn.reach(execution.id, "paused")
        async with cairn.executions() as service:
            await service.cancel(execution.id)
        await cairn.reach(execution.id, "cancelled")


@pytest.mark.parametrize("checkpoint", ["a", "start"])
async def test_a_cancellation_after_a_reset_is_heeded_though_no_worker_has_taken_the_reset_up(
    idle_cairn: Cairn, world, checkpoint: str
) -> None:
    cairn = idle_cairn
    async with cairn.worker():
        execution = await cairn.run(sequence(noting("a"), noting("b")))
        done = await cairn.reach(execution.id, "completed")
    await reset(cairn, done, checkpoint)
    await cairn.client.get_workflow_handle(execution.id).cancel()
    async with cairn.worker():
        await cairn.reach(execution.id, "cancelled")
    assert world.of(execution.id) == ["a", "b"]


async def test_a_termination_shows_as_cancelled_in_the_row(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(waiting("gate")))
    await until(lambda: world.waiting["gate"])
    await cairn.client.get_workflow_handle(execution.id).terminate("by hand")
    reconciler = Reconciler(cairn.database, cairn.temporal, utc_now() - timedelta(minutes=1))

    async def listed() -> bool:
        await reconciler.once()
        async with cairn.executions() as service:
            page = await service.list(ExecutionFilter(status="cancelled"), 1, 20)
        return [e.id for e in page.items] == [execution.id]

    await until(listed)


async def test_search_attributes_and_details_tell_operators_the_state(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(waiting("gate")))
    await until(lambda: world.waiting["gate"])
    handle = cairn.client.get_workflow_handle(execution.id)
    description = await handle.describe()
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes["CairnState"] == "running"
    assert attributes["CairnTenant"] == "acme"
    assert attributes["CairnWorkflow"] == execution.workflow_id
    assert attributes["CairnSurface"] == "omium"
    async with cairn.executions() as service:
        await service.pause(execution.id)
    description = await handle.describe()
    assert {p.key.name: p.value for p in description.typed_search_attributes}["CairnState"] == "paused"
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert "paused" in metadata.current_details
    assert "gate" in metadata.current_details


async def test_a_reset_in_the_web_ui_without_a_worker_shows_once_one_comes(idle_cairn: Cairn, world) -> None:
    async with idle_cairn.worker():
        execution = await idle_cairn.run(sequence(noting("a"), noting("b")))
        done = await idle_cairn.reach(execution.id, "completed")
    await reset(idle_cairn, done, "a")
    async with idle_cairn.worker():
        back = await idle_cairn.reach(execution.id, "paused")
    assert [c.name for c in back.checkpoints] == ["start", "a"]
    assert back.output_data is None
