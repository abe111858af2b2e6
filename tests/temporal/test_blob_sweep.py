"""Removal of stored payloads, on a real Temporal server: all that no history refers to, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import boto3
import obstore
import pytest
from graphs import node, noting, sequence
from installation import Cairn, cairn, idle_cairn, settings, until, world  # noqa: F401
from moto.server import ThreadedMotoServer
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
)
from temporalio.exceptions import ApplicationError, ChildWorkflowError
from temporalio.service import RPCError
from temporalio.worker import Worker

from cairn.contracts.blobs import Swept
from cairn.object_store import open_store
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal import server
from cairn.temporal.blob_owners import OwningWorkflowRunner
from cairn.temporal.blob_sweep import BlobSweep
from cairn.temporal.blobs import BlobPath
from cairn.temporal.connection import connect
from cairn.temporal.server import DevServer, find_server, start_dev_server

TEXT = "x" * 100_000
GRAPH = sequence(
    noting("note"),
    node("pass", "tool", tool="echo", arguments={"value": "input.text"}),
    node("end", "end", output={"text": "outputs.pass"}),
)


@workflow.defn
class Child:
    @workflow.run
    async def run(self, text: str) -> str:
        if text.startswith("fail"):
            raise ApplicationError("failed", text)
        return text


@workflow.defn
class Parent:
    def __init__(self) -> None:
        self.go = False

    @workflow.signal
    def on(self) -> None:
        self.go = True

    @workflow.run
    async def run(self, child_id: str, letter: str) -> str:
        try:
            text = await workflow.execute_child_workflow(Child.run, letter * 100_000, id=child_id)
        except ChildWorkflowError as error:
            assert isinstance(error.cause, ApplicationError)
            text = error.cause.details[0]
        await workflow.wait_condition(lambda: self.go)
        return f"{text[:4]} {len(text)}"


@pytest.fixture(scope="module")
async def forgetful_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """A server that deletes at once; others wait for half a minute after the end of what they delete."""
    folder = tmp_path_factory.mktemp("forgetful")
    given = Settings(home=folder, temporal_port=find_free(), temporal_ui_port=find_free())
    with pytest.MonkeyPatch.context() as patch:
        for queue in ("transfer", "visibility", "timer"):
            patch.setitem(server._DYNAMIC_CONFIG, f"history.{queue}ProcessorUpdateAckInterval", '"200ms"')
        running = await start_dev_server(given, find_server(given), log=folder / "server.log")
    yield running
    await running.stop()


@pytest.fixture
def temporal_port(forgetful_server: DevServer) -> int:
    return int(forgetful_server.address.rpartition(":")[2])


def later(days: int = 3) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)


def blobs(home: Path) -> set[Path]:
    return {path for path in (home / "blobs").rglob("*") if path.is_file()}


async def sweep(client: Client, home: Path, day: date, *, dry_run: bool = False) -> Swept:
    return await BlobSweep(client, open_store((home / "blobs").as_uri())).run(day, dry_run=dry_run)


async def delete(client: Client, workflow_id: str, run_id: str = "") -> None:
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
        )
    )

    async def gone() -> bool:
        runs = [run.run_id async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
        return run_id not in runs if run_id else not runs

    await until(gone)


async def test_what_an_execution_stored_stays_until_temporal_forgets_it(cairn: Cairn) -> None:  # noqa: F811
    home = cairn.settings.home
    execution = await cairn.run(GRAPH, {"text": TEXT})
    await cairn.reach(execution.id, "completed")
    stored = blobs(home)
    assert len(stored) >= 3
    assert await sweep(cairn.client, home, later()) == Swept(kept=len(stored))
    await delete(cairn.client, execution.id)
    assert await sweep(cairn.client, home, later(1)) == Swept()  # too young to be looked at
    size = sum(path.stat().st_size for path in stored)
    found = Swept(removed=len(stored), freed=size)
    assert await sweep(cairn.client, home, later(), dry_run=True) == found
    assert blobs(home) == stored
    assert await sweep(cairn.client, home, later()) == found
    assert blobs(home) == set()
    assert await sweep(cairn.client, home, later()) == Swept()


async def test_a_run_that_a_reset_made_keeps_what_its_base_stored(cairn: Cairn) -> None:  # noqa: F811
    home = cairn.settings.home
    execution = await cairn.run(GRAPH, {"text": TEXT})
    await cairn.reach(execution.id, "completed")
    first = (await cairn.client.get_workflow_handle(execution.id).describe()).run_id
    await cairn.reset(execution.id, "rollback", "note")
    await delete(cairn.client, execution.id, first)
    before = blobs(home)
    assert await sweep(cairn.client, home, later()) == Swept(kept=len(before))
    async with cairn.executions() as service:
        await service.resume(execution.id)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"text": TEXT}


@pytest.fixture
async def client(temporal_port: int, tmp_path: Path) -> Client:
    return await connect(Settings(home=tmp_path, temporal_port=temporal_port), lazy=False)


@pytest.fixture
def s3_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a folder in a bucket of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    s3.create_bucket(Bucket="swept")
    s3.close()
    yield "s3://swept/some/prefix"
    server.stop()


@pytest.fixture
async def parents(idle_cairn: Cairn, task_queue: str) -> AsyncIterator[Client]:  # noqa: F811
    """A client whose workflows are replayed from their history at every task."""
    async with Worker(
        idle_cairn.client,
        task_queue=task_queue,
        workflows=[Parent, Child],
        workflow_runner=OwningWorkflowRunner(),
        max_cached_workflows=0,
    ):
        yield idle_cairn.client


@pytest.mark.parametrize("letter", ["a", "fail"])
async def test_a_parent_keeps_what_its_forgotten_child_told_it(
    parents: Client,
    settings,  # noqa: F811
    task_queue: str,
    letter: str,
) -> None:
    name = f"dotted.parent/{uuid.uuid4()}"
    handle = await parents.start_workflow(Parent.run, args=[f"{name}/child", letter], id=name, task_queue=task_queue)
    child = parents.get_workflow_handle(f"{name}/child")

    async def ended() -> bool:
        try:
            await child.result()
        except WorkflowFailureError:
            return True
        except RPCError:
            return False
        return True

    await until(ended)
    await delete(parents, child.id)
    stored = blobs(settings.home)
    assert len(stored) == (1 if letter == "fail" else 2)  # what fails with what it was given stores it once
    assert await sweep(parents, settings.home, later()) == Swept(kept=len(stored))
    await handle.signal(Parent.on)
    assert await handle.result() == f"{(letter * 4)[:4]} {len(letter) * 100_000}"
    await delete(parents, handle.id)
    assert (await sweep(parents, settings.home, later())).removed == len(stored)


async def test_a_child_keeps_what_it_gave_to_its_forgotten_parent(
    parents: Client,
    settings,  # noqa: F811
    task_queue: str,
) -> None:
    name = f"parent-{uuid.uuid4()}"
    handle = await parents.start_workflow(Parent.run, args=[f"{name}-child", "b"], id=name, task_queue=task_queue)
    await handle.signal(Parent.on)
    await handle.result()
    await delete(parents, name)
    assert await sweep(parents, settings.home, later()) == Swept(kept=2)
    child = parents.get_workflow_handle_for(Child.run, f"{name}-child")
    assert await child.result() == "b" * 100_000


async def test_what_a_schedule_starts_with_stays_as_long_as_the_schedule(
    parents: Client,
    settings,  # noqa: F811
    task_queue: str,
) -> None:
    name = f"schedule-{uuid.uuid4()}"
    action = ScheduleActionStartWorkflow("Child", TEXT, id=f"{name}-started", task_queue=task_queue)
    schedule = await parents.create_schedule(name, Schedule(action=action, spec=ScheduleSpec()))
    try:
        assert await sweep(parents, settings.home, later()) == Swept(kept=1)
        await schedule.trigger()

        async def started() -> list[str]:
            return [run.id async for run in parents.list_workflows(f"WorkflowId STARTS_WITH '{name}-started-'")]

        (run,) = await until(started)
        assert await parents.get_workflow_handle_for(Child.run, run).result() == TEXT
    finally:
        await schedule.delete()
    assert (await sweep(parents, settings.home, later())).removed == 0
    await delete(parents, run)
    assert (await sweep(parents, settings.home, later())).removed == 2


async def test_other_namespaces_and_objects_of_nobody_are_left_alone(idle_cairn: Cairn) -> None:  # noqa: F811
    home, text = idle_cairn.settings.home, "y" * 100_000
    folder = home / "blobs"
    await idle_cairn.client.data_converter.encode([text])
    other = folder / str(BlobPath("another", date(2020, 1, 1), ("x",), "0" * 64))
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    assert await sweep(idle_cairn.client, home, later()) == Swept()
    assert len(blobs(home)) == 2


async def test_objects_in_s3_are_swept_alike(client: Client, s3_bucket: str) -> None:
    store, gone, here = open_store(s3_bucket), f"gone.{uuid.uuid4()}", f"here-{uuid.uuid4()}"
    await client.start_workflow("Child", "", id=here, task_queue="nobody")
    old = date(2026, 1, 1)
    paths = [
        BlobPath(client.namespace, day, owners, "0" * 64)
        for day, owners in ((old, (gone,)), (old, (gone, here)), (datetime.now(UTC).date(), (gone,)))
    ]
    for path in paths:
        await obstore.put_async(store, str(path), b"12345")
    assert await BlobSweep(client, store).run(later(0)) == Swept(kept=1, removed=1, freed=5)
    left = [found["path"] async for batch in obstore.list(store) for found in batch]
    assert sorted(left) == sorted(map(str, paths[1:]))
    await client.get_workflow_handle(here).terminate()


def test_the_command_collects_and_tells(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    file = settings.home / "blobs" / str(BlobPath("default", date(2026, 1, 1), (f"gone-{uuid.uuid4()}",), "0" * 64))
    file.parent.mkdir(parents=True)
    file.write_bytes(b"12345")
    monkeypatch.setenv("CAIRN_HOME", str(settings.home))
    monkeypatch.setenv("CAIRN_TEMPORAL_PORT", str(settings.temporal_port))
    for options, dry, there in ((["--dry-run"], True, True), ([], False, False)):
        command = [sys.executable, "-m", "cairn", "blobs", "gc", "--json", *options]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert told == {"kept": 0, "removed": 1, "freed": 5, "dry_run": dry}
        assert file.exists() is there


@pytest.mark.parametrize("owners", [("exec_1",), ("acme.ü/é 'x'",), ("a" * 300, "reset/" + "b" * 300)])
def test_paths_can_be_read_back(owners: tuple[str, ...]) -> None:
    path = BlobPath("default", date(2026, 2, 3), owners, "0" * 64)
    assert BlobPath.parse(str(path)) == path
    assert max(len(name) for name in str(path).split("/")) <= 200
    assert str(path).isascii()
