"""``cairn graph check-replay`` and ``cairn deployments``, against a real Temporal server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from temporalio import workflow
from typer.testing import CliRunner

from cairn.cli.app import app
from cairn.contracts.executions import WORKFLOW_TYPE, ExecutionInput
from cairn.contracts.operations import RESET_WORKFLOW_TYPE, reset_workflow_id
from cairn.settings import Settings, get_settings
from cairn.temporal import replay
from workflows.registry import WORKFLOWS


@workflow.defn(name=WORKFLOW_TYPE)
class OtherExecution:
    """An execution as no history of Cairn has it."""

    @workflow.run
    async def run(self, start: ExecutionInput) -> None:
        await workflow.sleep(1)


@workflow.defn(name=RESET_WORKFLOW_TYPE)
class OtherReset:
    """A reset as no history of Cairn has it."""

    @workflow.run
    async def run(self, request: Any) -> None:
        await workflow.sleep(1)


async def command(settings: Settings, *arguments: str, status: int = 0) -> dict[str, Any]:
    """Run ``cairn`` with an installation's settings; return what it says as JSON."""
    told = settings.model_dump(mode="json", include={"home", "temporal_port", "task_queue", "deployment_name"})
    environment = {f"CAIRN_{name.upper()}": str(value) for name, value in told.items()}
    get_settings.cache_clear()
    try:
        done = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"], env=environment)
    finally:
        get_settings.cache_clear()
    assert done.exit_code == status, done.output
    return json.loads(done.output)


@pytest.fixture
async def executions(cairn: Cairn, world) -> AsyncIterator[tuple[str, str]]:
    """One that was replayed and has completed, and one that runs."""
    replayed = await cairn.run(sequence(noting("a"), noting("b")))
    await cairn.reach(replayed.id, "completed")
    await cairn.reset(replayed.id, "replay", "a")
    await cairn.reach(replayed.id, "completed")
    runs = await cairn.run(sequence(noting("a"), waiting("gate")))
    await until(lambda: world.waiting["gate"])
    query = f"TaskQueue = '{cairn.settings.task_queue}'"
    await until(lambda: _counted(cairn, query, 4))  # the base of the reset, too
    yield replayed.id, runs.id
    world.gate("gate").set()
    await cairn.reach(runs.id, "completed")


async def _counted(cairn: Cairn, query: str, number: int) -> bool:
    return (await cairn.client.count_workflows(query)).count == number


async def test_the_present_code_goes_on_with_all_there_are(cairn: Cairn, executions: tuple[str, str]) -> None:
    replayed, runs = executions
    assert await command(cairn.settings, "graph", "check-replay") == {"ok": True, "checked": 4, "diverged": []}
    for arguments, checked in (("--ended", "0"), 1), (("--execution", runs), 1), (("--execution", replayed), 2):
        assert (await command(cairn.settings, "graph", "check-replay", *arguments))["checked"] == checked


@pytest.mark.parametrize("other", [OtherExecution, OtherReset])
async def test_those_that_diverge_are_named(
    cairn: Cairn, executions: tuple[str, str], other: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = workflow._Definition.must_from_class(other).name
    kept = [each for each in WORKFLOWS if workflow._Definition.must_from_class(each).name != name]
    monkeypatch.setattr(replay, "WORKFLOWS", [*kept, other])
    found = await command(cairn.settings, "graph", "check-replay", status=1)
    named = {each["workflow_id"] for each in found["diverged"]}
    assert named == (set(executions) if other is OtherExecution else {reset_workflow_id(executions[0])})
    assert all("TMPRL1100" in each["problem"] for each in found["diverged"])
    assert {each["workflow_type"] for each in found["diverged"]} == {name}
    assert (found["ok"], found["checked"]) == (False, 4)


async def test_one_whose_checkpoints_cannot_be_read_is_named(
    cairn: Cairn, executions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_projection: object) -> None:
        raise KeyError("node")

    monkeypatch.setattr(replay.Projection, "settle", broken)
    found = await command(cairn.settings, "graph", "check-replay", "--ended", "0", status=1)
    assert [each["workflow_id"] for each in found["diverged"]] == [executions[1]]
    assert found["diverged"][0]["problem"] == "its checkpoints cannot be read: KeyError: 'node'"


async def test_the_version_for_new_executions_is_chosen(idle_cairn: Cairn) -> None:
    name = f"deployment-{idle_cairn.settings.task_queue}"
    settings = idle_cairn.settings.model_copy(update={"deployment_name": name, "build_id": "v1"})
    assert await command(settings, "deployments", "list") == {"versions": []}
    async with Cairn(settings, idle_cairn.database, idle_cairn.client).worker():

        async def known() -> bool:
            return bool((await command(settings, "deployments", "list"))["versions"])

        await until(known)
        (version,) = (await command(settings, "deployments", "ramp", "v1", "10"))["versions"]
        assert (version["build_id"], version["status"], version["percentage"]) == ("v1", "ramping", 10)
        (version,) = (await command(settings, "deployments", "set-current", "v1"))["versions"]
        assert (version["status"], version["percentage"], version["running"]) == ("current", None, 0)
        (version,) = (await command(settings, "deployments", "set-current", "--unversioned"))["versions"]
        assert version["status"] != "current"
