"""An execution of a draft stays on what the draft said when it began, however the draft is edited."""

from __future__ import annotations

import pytest
from cachetools import LRUCache
from graphs import node, noting, sequence, waiting
from installation import Cairn, until

from cairn.contracts.json import JsonObject
from cairn.domain.executions.fork import fork
from cairn.domain.executions.model import ForkExecution, StartExecution
from cairn.domain.graphs import pinned
from cairn.domain.graphs.service import GraphService
from cairn.errors import Conflict, InvalidInput
from cairn.graph.validate import ValidationContext


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process has a definition in memory: every landing reads it."""
    monkeypatch.setattr(pinned, "_known", LRUCache(0))


async def edit(cairn: Cairn, graph: str, definition: JsonObject) -> None:
    async with cairn.database.transaction() as session:
        await GraphService(session, cairn.principal.scope, "ann", ValidationContext()).update(
            graph, definition=definition
        )


async def test_an_edit_of_the_draft_does_not_touch_what_runs(cairn: Cairn, world) -> None:
    graph = await cairn.publish(sequence(noting("published")))
    await edit(cairn, graph, sequence(noting("a"), waiting("gate"), noting("b")))
    tried = await cairn.start(graph, draft=True)
    assert tried.version == 2
    await until(lambda: world.waiting["gate"])
    await edit(cairn, graph, {})
    world.gate("gate").set()
    await cairn.reach(tried.id, "completed")
    assert world.of(tried.id) == ["a", "gate", "b"]
    # To land again after a reset it has to find its definition again, and so has a fork.
    await cairn.reset(tried.id, "replay", "gate")
    await until(lambda: world.of(tried.id)[3:] == ["b"])
    await cairn.reach(tried.id, "completed")
    async with cairn.executions() as service:
        row = await fork(service, tried.id, ForkExecution(checkpoint_name="a", execution_id=None))
        await service.session.commit()
        await service.start(row)
    await cairn.reach(row.id, "completed")
    assert world.of(row.id) == ["gate", "b"]


async def test_what_waits_for_temporal_starts_with_what_it_was_asked_with(cairn: Cairn, world) -> None:
    graph = await cairn.publish(sequence(noting("published")))
    await edit(cairn, graph, sequence(noting("first")))
    async with cairn.executions() as service:
        row = await service.create(StartExecution(graph, {}, draft=True))
        await service.session.commit()
        await edit(cairn, graph, sequence(noting("second")))
        await service.start(row)
    await cairn.reach(row.id, "completed")
    assert world.of(row.id) == ["first"]
    again = await cairn.start(graph, draft=True)
    await cairn.reach(again.id, "completed")
    assert world.of(again.id) == ["second"]


async def test_an_inline_body_of_a_draft_is_found_after_an_edit(cairn: Cairn, world) -> None:
    graph = await cairn.publish(sequence(noting("published")))
    body = sequence(waiting("gate"), noting("inner"))
    await edit(cairn, graph, sequence(node("each", "map", items="[1]", body=body)))
    tried = await cairn.start(graph, draft=True)
    await until(lambda: world.waiting["gate"])
    await edit(cairn, graph, sequence(noting("other")))
    async with cairn.executions() as service:
        (child,) = (await service.list(_children_of(tried.id), 1, 20)).items
    world.gate("gate").set()
    await cairn.reach(tried.id, "completed")
    await cairn.reset(child.id, "replay", "gate")
    # The parent is replayed with it, and starts another child in its place.
    await until(lambda: [entry for entry, _ in world.ledger] == ["gate", "inner", "inner"])
    await cairn.reach(tried.id, "completed")


def _children_of(execution_id: str):
    from cairn.domain.executions.model import ExecutionFilter

    return ExecutionFilter(parent_execution_id=execution_id)


async def test_what_drafts_may_be_tried(cairn: Cairn, world) -> None:
    graph = await cairn.publish(sequence(noting("published")))
    ran = await cairn.start(graph, draft=True)
    await cairn.reach(ran.id, "completed")
    assert (ran.version, world.of(ran.id)) == (1, ["published"])
    await edit(cairn, graph, {"nodes": [], "edges": []})
    with pytest.raises(InvalidInput) as refused:
        await cairn.start(graph, draft=True)
    assert refused.value.code == "invalid_draft" and refused.value.extra["errors"]
    async with cairn.database.transaction() as session:
        await GraphService(session, cairn.principal.scope, "ann", ValidationContext()).set_status(graph, "archived")
    with pytest.raises(Conflict) as closed:
        await cairn.start(graph, draft=True)
    assert closed.value.code == "workflow_archived"
