"""Worker Versioning: running executions outlive deploys of new code."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from temporalio import workflow
from temporalio.api.enums.v1 import VersioningBehavior as Behavior
from temporalio.common import VersioningBehavior

from cairn.contracts.executions import WORKFLOW_TYPE, ExecutionInput
from cairn.contracts.operations import reset_workflow_id
from cairn.errors import Conflict
from cairn.temporal import executions, replay
from cairn.temporal.deployments import DeploymentClient, worker_config
from workflows.graph_execution import GraphExecution
from workflows.map_execution import MapExecution
from workflows.registry import UPGRADED, WORKFLOWS

GRAPH = sequence(noting("a"), waiting("gate"), noting("c"))


@workflow.defn(name=WORKFLOW_TYPE)
class Incompatible:
    """An execution as no history of Cairn has it."""

    @workflow.run
    async def run(self, start: ExecutionInput) -> None:
        await workflow.sleep(1)


class Deployment:
    """An installation whose workers have versions."""

    def __init__(self, cairn: Cairn) -> None:
        self.cairn = cairn
        self.name = f"deployment-{cairn.settings.task_queue}"

    def at(self, build_id: str | None) -> Cairn:
        """Return the installation as a worker of one version sees it."""
        settings = self.cairn.settings.model_copy(update={"deployment_name": self.name, "build_id": build_id})
        return Cairn(settings, self.cairn.database, self.cairn.client)

    def client(self, build_id: str | None = None) -> DeploymentClient:
        return DeploymentClient(self.cairn.client, self.at(build_id).settings)

    async def make_current(self, build_id: str | None) -> None:
        """Make a version current as soon as its worker has polled."""

        async def done() -> bool:
            try:
                await self.client().set_current(build_id)
            except Conflict:
                return False
            return True

        await until(done)

    async def versions_of(self, execution_id: str) -> list[str]:
        """Return the versions that carried out its workflow tasks."""
        found = []
        for event in (await self.cairn.history(execution_id)).events:
            if event.HasField("workflow_task_completed_event_attributes"):
                found.append(event.workflow_task_completed_event_attributes.deployment_version.build_id)
        return found


@pytest.fixture
def deployment(idle_cairn: Cairn) -> Deployment:
    return Deployment(idle_cairn)


async def pause_at_gate(cairn: Cairn, world) -> str:
    """Start an execution and leave it paused after its gate."""
    execution = await cairn.run(GRAPH)
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.pause(execution.id)
    world.gate("gate").set()
    await until(lambda: "gate" in world.of(execution.id))
    await until(lambda: _checkpoints(cairn, execution.id, 3))
    return execution.id


async def _checkpoints(cairn: Cairn, execution_id: str, number: int) -> bool:
    return len((await cairn.get(execution_id)).checkpoints or []) == number


async def test_an_execution_ends_with_the_version_that_began_it(deployment: Deployment, world) -> None:
    old, new = deployment.at("v1"), deployment.at("v2")
    async with old.worker():
        assert await deployment.client("v1").ensure_current()
        began = await old.run(GRAPH)
        await until(lambda: world.waiting["gate"])
        async with new.worker():
            await deployment.make_current("v2")
            later = await new.run(sequence(noting("b")))
            await new.reach(later.id, "completed")
            found = {version.build_id: version for version in await deployment.client().versions()}
            assert (found["v2"].status, found["v1"].status) == ("current", "draining")
            world.gate("gate").set()
            await new.reach(began.id, "completed")
    assert set(await deployment.versions_of(began.id)) == {"v1"}
    assert set(await deployment.versions_of(later.id)) == {"v2"}


async def test_only_a_first_version_makes_itself_current(deployment: Deployment) -> None:
    assert not await deployment.client(None).ensure_current()
    async with deployment.at("v1").worker(), deployment.at("v2").worker():
        assert await deployment.client("v1").ensure_current()
        assert not await deployment.client("v2").ensure_current()
        await until(lambda: _polled(deployment, "v2"))
        await deployment.client().ramp("v2", 25)
        found = {version.build_id: version for version in await deployment.client().versions()}
        assert (found["v1"].status, found["v2"].status, found["v2"].percentage) == ("current", "ramping", 25)
        await deployment.client().ramp("v2", 0)
        assert {version.percentage for version in await deployment.client().versions()} == {None}
        with pytest.raises(Conflict) as refused:
            await deployment.client().set_current("v3")
        assert refused.value.code == "deployment_refused"


async def test_a_first_version_counts_before_the_task_queue_has_heard_of_it(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unheard(client: DeploymentClient) -> bool:
        return False

    async with deployment.at("v1").worker(), deployment.at("v2").worker():
        assert await deployment.client("v1").ensure_current()
        monkeypatch.setattr(DeploymentClient, "_decided", unheard)
        assert not await deployment.client("v2").ensure_current()


async def _polled(deployment: Deployment, build_id: str) -> bool:
    config = worker_config(deployment.at(build_id).settings)
    assert config
    return await deployment.cairn.temporal.polled(config.version)


@pytest.mark.parametrize("successor", ["v2", None])
async def test_a_reset_leaves_a_version_that_no_worker_serves(
    deployment: Deployment, world, monkeypatch: pytest.MonkeyPatch, successor: str | None
) -> None:
    async with deployment.at("v1").worker():
        await deployment.client("v1").ensure_current()
        stuck = await pause_at_gate(deployment.at("v1"), world)
    monkeypatch.setattr(executions, "_POLL", timedelta(seconds=1))  # a poller that is gone is listed for a minute
    new = deployment.at(successor)
    async with new.worker():
        await deployment.make_current(successor)
        await until(lambda: _gone(deployment, "v1"))
        await deployment.cairn.client.get_workflow_handle(stuck).signal("nudge")
        await until(lambda: _says(new, stuck, "no worker of version 'v1' polls the task queue"))
        await new.reset(stuck, "replay", "gate")
        await new.reach(stuck, "completed")
    assert world.of(stuck) == ["a", "gate", "c"]
    assert (await deployment.versions_of(stuck))[-1] == (successor or "")
    reset = await deployment.cairn.client.get_workflow_handle(reset_workflow_id(stuck)).describe()
    upgraded = Behavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE if successor else Behavior.VERSIONING_BEHAVIOR_UNSPECIFIED
    assert reset.raw_info.versioning_info.behavior == upgraded


async def _says(cairn: Cairn, execution_id: str, detail: str) -> bool:
    return (await cairn.get(execution_id)).status_detail == detail


async def _gone(deployment: Deployment, build_id: str) -> bool:
    return not await _polled(deployment, build_id)


async def test_a_reset_whose_worker_went_while_it_landed_goes_on_elsewhere(
    deployment: Deployment, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deployment.at("v1").worker():
        await deployment.client("v1").ensure_current()
        stuck = await pause_at_gate(deployment.at("v1"), world)
    new = deployment.at("v2")
    run = (await new.temporal.require(stuck)).run_id

    async def made() -> bool:
        return (await new.temporal.require(stuck)).run_id != run

    async with new.worker():
        await deployment.make_current("v2")
        resetting = asyncio.create_task(new.reset(stuck, "rollback", "gate"))
        await until(made)
        assert (await new.temporal.require(stuck)).pinned == worker_config(deployment.at("v1").settings).version  # type: ignore[union-attr]
        monkeypatch.setattr(executions, "_POLL", timedelta(seconds=1))
        assert (await resetting).status == "paused"
    assert (await deployment.versions_of(stuck))[-1] == "v2"


async def test_one_that_the_new_code_cannot_go_on_with_is_not_reset(
    deployment: Deployment, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deployment.at("v1").worker():
        await deployment.client("v1").ensure_current()
        stuck = await pause_at_gate(deployment.at("v1"), world)
    monkeypatch.setattr(executions, "_POLL", timedelta(seconds=1))
    new = deployment.at("v2")
    run = (await new.temporal.require(stuck)).run_id
    async with new.worker():
        await deployment.make_current("v2")
        await until(lambda: _gone(deployment, "v1"))
        monkeypatch.setattr(replay, "WORKFLOWS", [Incompatible])
        with pytest.raises(Conflict) as refused:
            await new.reset(stuck, "replay", "gate")
    assert refused.value.code == "version_not_served"
    assert "'v1'" in refused.value.message
    assert (await new.temporal.require(stuck)).run_id == run


def test_it_is_said_of_every_workflow_whether_it_ends_with_the_version_that_began_it() -> None:
    pinned = {GraphExecution, MapExecution}
    assert set(WORKFLOWS) == pinned | UPGRADED
    assert not pinned & UPGRADED


def test_no_workflow_declares_it_by_itself_for_workers_without_a_version_may_not() -> None:
    declared = {workflow._Definition.must_from_class(each).versioning_behavior for each in WORKFLOWS}
    assert declared == {VersioningBehavior.UNSPECIFIED}
