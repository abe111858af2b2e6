"""A paused execution goes on by another version of its graph, when the place where it stands exists there."""

from __future__ import annotations

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, until

from cairn.domain.executions.migrate import migrate
from cairn.domain.executions.model import ExecutionFilter
from cairn.domain.graphs.service import GraphService
from cairn.errors import Conflict, NotFound
from cairn.graph.validate import ValidationContext


async def publish_next(cairn: Cairn, graph: str, definition: dict) -> int:
    async with cairn.database.transaction() as session:
        service = GraphService(session, cairn.principal.scope, "ann", ValidationContext())
        await service.update(graph, definition=definition)
        published = await service.publish(graph)
        assert published.published is not None
        return published.published.version


async def paused_at_the_gate(cairn: Cairn, world, definition: dict) -> tuple[str, str]:
    graph = await cairn.publish(definition)
    execution = await cairn.start(graph)
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.pause(execution.id)
    return graph, execution.id


@pytest.mark.history("migrated")
async def test_it_goes_on_by_the_other_version(cairn: Cairn, world) -> None:
    graph, execution = await paused_at_the_gate(cairn, world, sequence(noting("a"), waiting("gate"), noting("b")))
    version = await publish_next(cairn, graph, sequence(noting("a"), waiting("gate"), noting("c"), noting("d")))
    assert (await cairn.get(execution)).version == 1
    async with cairn.executions() as service:
        moved = await migrate(service, execution, version)
    assert (moved.version, moved.revision, moved.status) == (2, 2, "paused")
    world.gate("gate").set()
    async with cairn.executions() as service:
        await service.resume(execution)
    done = await cairn.reach(execution, "completed")
    assert world.of(execution) == ["a", "gate", "c", "d"]
    assert done.version == 2


@pytest.mark.history("migrated_back")
async def test_a_rollback_to_before_it_is_back_on_the_old_version(cairn: Cairn, world) -> None:
    graph, execution = await paused_at_the_gate(cairn, world, sequence(noting("a"), waiting("gate"), noting("b")))
    version = await publish_next(cairn, graph, sequence(noting("a"), waiting("gate"), noting("c")))
    async with cairn.executions() as service:
        assert (await migrate(service, execution, version)).version == 2
    assert (await cairn.reset(execution, "rollback", "a")).version == 1


async def test_a_version_without_the_node_is_refused_and_the_node_is_named(cairn: Cairn, world) -> None:
    graph, execution = await paused_at_the_gate(cairn, world, sequence(noting("a"), waiting("gate")))
    version = await publish_next(cairn, graph, sequence(noting("a"), noting("b")))
    async with cairn.executions() as service:
        with pytest.raises(Conflict) as refused:
            await migrate(service, execution, version)
    assert (refused.value.code, refused.value.extra) == ("node_gone", {"node_id": "gate"})
    async with cairn.executions() as service:
        with pytest.raises(NotFound):
            await migrate(service, execution, 9)


async def test_a_running_execution_is_not_moved(cairn: Cairn, world) -> None:
    graph = await cairn.publish(sequence(waiting("gate"), noting("b")))
    execution = await cairn.start(graph)
    await until(lambda: world.waiting["gate"])
    version = await publish_next(cairn, graph, sequence(waiting("gate"), noting("c")))
    async with cairn.executions() as service:
        with pytest.raises(Conflict) as refused:
            await migrate(service, execution.id, version)
    assert refused.value.code == "not_paused"
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["gate", "b"]


async def test_an_item_of_a_map_goes_on_by_the_other_versions_body(cairn: Cairn, world) -> None:
    def each(*nodes: dict) -> dict:
        return sequence(node("each", "map", items="['p']", body=sequence(waiting("gate"), *nodes)))

    graph = await cairn.publish(each(noting("old")))
    execution = await cairn.start(graph)
    await until(lambda: world.waiting["gate"])
    await publish_next(cairn, graph, each(noting("new")))
    gone = await publish_next(cairn, graph, sequence(waiting("gate"), noting("other")))
    async with cairn.executions() as service:
        (item,) = (await service.list(ExecutionFilter(parent_execution_id=execution.id), 1, 9)).items
        await service.pause(item.id)
    async with cairn.executions() as service:
        with pytest.raises(Conflict) as refused:
            await migrate(service, item.id, gone)
        assert refused.value.code == "node_gone"
    async with cairn.executions() as service:
        await migrate(service, item.id, gone - 1)
    async with cairn.executions() as service:
        await service.resume(item.id)
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(name)) for name in ("old", "new", "other")] == [0, 1, 0]
