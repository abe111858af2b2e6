"""Maps on a live server: order, errors, how many at a time, pause, cancellation, resets, finished items kept."""

from __future__ import annotations

import uuid

import pytest
from graphs import edge, node, sequence
from installation import Cairn, until
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from cairn.contracts.children import MAP_WORKFLOW_TYPE, MapInput, MapResult, item_id, map_value
from cairn.contracts.executions import SIGNAL_PARENT, ExecutionInput, GraphRef, Parent, ParentCommand
from cairn.contracts.json import Json, JsonObject

NOTE = sequence(
    node("n", "tool", tool="note", arguments={"entry": "input"}), node("end", "end", output={"got": "outputs.n.entry"})
)
WAIT = sequence(
    node("w", "tool", tool="wait_at", arguments={"gate": "input"}), node("end", "end", output={"got": "input"})
)


BAD_FAILS = {
    "nodes": [
        node("start", "start"),
        node("which", "condition"),
        node("n", "tool", tool="note", arguments={"entry": "input"}),
        node("w", "tool", tool="wait_at", arguments={"gate": "input"}),
        node("end", "end", output={"got": "input"}),
    ],
    "edges": [
        edge("start", "which"),
        edge("which", "n", "bad", expression="input == 'bad'"),
        edge("which", "w", "good"),
        edge("n", "end"),
        edge("w", "end"),
    ],
}


async def graph_ref(cairn: Cairn, definition: JsonObject) -> GraphRef:
    uuid_ = await cairn.publish(definition)
    from cairn.domain.graphs.pinned import published_version

    async with cairn.database.session() as session:
        return (await published_version(session, cairn.principal.scope, uuid_)).ref


async def start_map(cairn: Cairn, definition: JsonObject, items: list[Json], **more) -> WorkflowHandle:
    graph = more.pop("graph", None) or await graph_ref(cairn, definition)
    parent = Parent(execution_id="above", temporal_id="above", node_id="each", visit=1, key="each#1#1")
    execution = ExecutionInput(execution_id="", tenant="acme", graph=graph, parent=parent)
    given = MapInput(execution=execution, items=items, by_item=True, lineage="line", name="each", **more)
    map_id = f"map_{uuid.uuid4().hex}"
    cairn.started.append(map_id)
    return await cairn.client.start_workflow(
        MAP_WORKFLOW_TYPE,
        given,
        id=map_id,
        task_queue=cairn.settings.task_queue,
        result_type=MapResult,
    )


def got(result: MapResult) -> list[Json]:
    return [value["got"] for value in map_value(result, collect=False)]


async def failure(handle: WorkflowHandle) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def status(cairn: Cairn, handle: WorkflowHandle, index: int) -> str:
    """Return how Temporal says that an item's execution stands."""
    item = await cairn.client.get_workflow_handle(item_id(handle.id, index, "line")).describe()
    assert item.status is not None
    return item.status.name


@pytest.mark.history("maps/chunks")
async def test_fifty_items_in_chunks_keep_their_order(cairn: Cairn, world) -> None:
    items = [f"item {n}" for n in range(50)]
    handle = await start_map(cairn, NOTE, items, chunk=7, concurrency=5)
    assert got(await handle.result()) == items
    assert sorted(what for what, _ in world.ledger) == sorted(items)
    history = await handle.fetch_history()
    assert len(history.events) < 50 * 3, "the history of the map grows with its chunks alone"


@pytest.mark.history("maps/items")
async def test_no_more_items_at_a_time_than_concurrency_says(cairn: Cairn, world) -> None:
    items = [f"g{n}" for n in range(8)]
    handle = await start_map(cairn, WAIT, items, chunk=3, concurrency=3)
    for _ in items:
        await until(lambda: standing(world))
        assert len(standing(world)) <= 3
        world.gate(standing(world)[0]).set()
    assert got(await handle.result()) == items


def standing(world) -> list[str]:
    return [item for item, times in world.waiting.items() if times and not world.gate(item).is_set()]


@pytest.mark.history("maps/failure")
async def test_the_first_failure_stops_the_others(cairn: Cairn, world) -> None:
    world.failing.add("bad")
    handle = await start_map(cairn, BAD_FAILS, ["g1", "g2", "bad", "g3"], concurrency=3)
    error = await failure(handle)
    assert (error.type, error.details[0]["index"], error.details[0]["node_id"]) == ("planned", 2, "n")
    assert [await status(cairn, handle, index) for index in (0, 1, 2)] == ["CANCELED", "CANCELED", "FAILED"]
    assert not world.waiting["g3"]


@pytest.mark.history("maps/failure_in_chunk")
async def test_a_failure_in_a_chunk_names_the_item(cairn: Cairn, world) -> None:
    world.failing.add("item 9")
    handle = await start_map(cairn, NOTE, [f"item {n}" for n in range(12)], chunk=4, concurrency=2)
    error = await failure(handle)
    assert (error.type, error.details[0]["index"]) == ("planned", 9)


@pytest.mark.history("maps/collected")
async def test_errors_are_collected_in_their_places(cairn: Cairn, world) -> None:
    world.failing |= {"b", "d"}
    handle = await start_map(cairn, NOTE, ["a", "b", "c", "d"], chunk=2, on_error="collect")
    values = map_value(await handle.result(), collect=True)
    assert [value.get("value") for value in values] == [{"got": "a"}, None, {"got": "c"}, None]
    assert [value["error"]["code"] for value in values if "error" in value] == ["planned", "planned"]


async def test_an_empty_list_gives_an_empty_one(cairn: Cairn) -> None:
    assert (await (await start_map(cairn, NOTE, [])).result()).items == []


@pytest.mark.history("maps/cancelled_by_id")
async def test_cancelling_a_map_cancels_its_items(cairn: Cairn, world) -> None:
    handle = await start_map(cairn, WAIT, ["a", "b", "c"], chunk=2, concurrency=2)
    await until(lambda: sum(world.waiting.values()) == 2)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)
    assert [await status(cairn, handle, index) for index in (0, 2)] == ["CANCELED", "CANCELED"]
    assert sum(world.waiting.values()) == 2


@pytest.mark.history("maps/paused")
async def test_a_paused_map_starts_no_items_and_goes_on_when_resumed(cairn: Cairn, world) -> None:
    items = ["a", "b", "c"]
    handle = await start_map(cairn, WAIT, items, chunk=2, concurrency=1)
    await until(lambda: world.waiting["a"])
    await handle.signal(SIGNAL_PARENT, ParentCommand(kind="pause"))
    chunk = cairn.client.get_workflow_handle(f"{handle.id}/0")
    await until(lambda: _signalled(chunk))
    child = cairn.client.get_workflow_handle(item_id(handle.id, 0, "line"))
    await until(lambda: _signalled(child))
    for item in items:
        world.gate(item).set()
    await until(lambda: world.effects("a"))
    assert not world.waiting["b"]
    await handle.signal(SIGNAL_PARENT, ParentCommand(kind="resume"))
    assert got(await handle.result()) == items


async def _signalled(handle: WorkflowHandle) -> bool:
    history = await handle.fetch_history()
    return any(event.HasField("workflow_execution_signaled_event_attributes") for event in history.events)


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(2, marks=pytest.mark.history("maps/reset_chunks")),
        pytest.param(100, marks=pytest.mark.history("maps/reset_items")),
    ],
)
async def test_a_map_that_an_operator_resets_begins_no_item_again(cairn: Cairn, world, chunk: int) -> None:
    items = ["a", "b", "c", "d"]
    handle = await start_map(cairn, WAIT, items, concurrency=2, chunk=chunk)
    await until(lambda: sum(world.waiting.values()) == 2)
    world.gate("a").set()
    await until(lambda: sum(world.waiting.values()) == 3)
    await reset_to_its_start(cairn, handle)
    for item in items:
        world.gate(item).set()
    again = cairn.client.get_workflow_handle(handle.id, result_type=MapResult)
    assert got(await again.result()) == items
    assert [world.waiting[item] for item in items] == [1, 1, 1, 1]


@pytest.mark.parametrize("chunk", [1, 100])
async def test_errors_reach_a_map_that_was_reset(cairn: Cairn, world, chunk: int) -> None:
    world.failing.add("bad")
    items = ["bad", "w"]
    handle = await start_map(cairn, BAD_FAILS, items, on_error="collect", chunk=chunk)
    await until(lambda: world.waiting["w"])
    await until(lambda: _failed(cairn, handle))
    await reset_to_its_start(cairn, handle)
    world.gate("w").set()
    again = cairn.client.get_workflow_handle(handle.id, result_type=MapResult)
    bad, good = map_value(await again.result(), collect=True)
    assert (bad["error"]["code"], good) == ("planned", {"value": {"got": "w"}})


async def _failed(cairn: Cairn, handle: WorkflowHandle) -> bool:
    return await status(cairn, handle, 0) == "FAILED"


@pytest.mark.history("maps/reset_cancelled")
async def test_cancelling_a_map_that_was_reset_cancels_its_items(cairn: Cairn, world) -> None:
    handle = await start_map(cairn, WAIT, ["a"])
    await until(lambda: world.waiting["a"])
    await reset_to_its_start(cairn, handle)
    again = cairn.client.get_workflow_handle(handle.id, result_type=MapResult)
    await until(lambda: _watches(again))
    await again.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await again.result()
    assert isinstance(ended.value.cause, CancelledError)

    async def cancelled() -> bool:
        return await status(cairn, handle, 0) == "CANCELED"

    await until(cancelled)


async def _watches(handle: WorkflowHandle) -> bool:
    return bool((await handle.describe()).raw_description.pending_activities)


async def reset_to_its_start(cairn: Cairn, handle: WorkflowHandle) -> None:
    """Reset a map as an operator does, to its first workflow task; everything that came is offered to it again."""
    history = await cairn.client.get_workflow_handle(handle.id).fetch_history()
    first = next(e.event_id for e in history.events if e.HasField("workflow_task_completed_event_attributes"))
    reset = ResetWorkflowExecutionRequest(
        namespace=cairn.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        workflow_task_finish_event_id=first,
        request_id=uuid.uuid4().hex,
    )
    await cairn.client.workflow_service.reset_workflow_execution(reset)


async def test_an_item_that_is_cancelled_fails_the_map(cairn: Cairn, world) -> None:
    handle = await start_map(cairn, WAIT, ["a", "b"])
    await until(lambda: world.waiting["a"] and world.waiting["b"])
    await cairn.client.get_workflow_handle(item_id(handle.id, 1, "line")).cancel()
    error = await failure(handle)
    assert (error.type, error.details[0]["index"], error.details[0]["node_id"]) == ("cancelled", 1, "each")


@pytest.mark.parametrize("chunk", [2, 100])
async def test_finished_items_of_a_discarded_map_are_kept(cairn: Cairn, world, chunk: int) -> None:
    world.failing.add("c")
    graph = await graph_ref(cairn, NOTE)
    first = await start_map(cairn, NOTE, ["a", "b", "c"], graph=graph, on_error="collect")
    await first.result()
    world.failing.clear()
    more = {"graph": graph, "chunk": chunk, "on_error": "collect"}
    second = await start_map(cairn, NOTE, ["a", "B", "c"], previous=first.id, **more)
    assert got(await second.result()) == ["a", "B", "c"]
    assert sorted(what for what, _ in world.ledger) == ["B", "a", "b", "c"]
    third = await start_map(cairn, NOTE, ["a", "B", "c", "d"], previous=second.id, **more)
    assert got(await third.result()) == ["a", "B", "c", "d"]
    assert sorted(what for what, _ in world.ledger) == ["B", "a", "b", "c", "d"]
