"""Rows of child executions: made at their landing, kept for a map that takes another's place, counted."""

from __future__ import annotations

from typing import Any

import pytest
from domain.graphs.authoring import ACME, Author, valid
from graphs import node, sequence
from sqlalchemy import select, update
from sqlmodel import col

from cairn.contracts.children import KeptRequest, work_digest
from cairn.contracts.executions import ExecutionInput, GraphRef, Parent
from cairn.contracts.operations import ENGINE, Landing, LandRequest
from cairn.domain.executions.children import children_of, keep_items
from cairn.domain.executions.model import Children
from cairn.domain.executions.workflow_side import land
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow


@pytest.fixture
async def graph(database: Database) -> GraphRef:
    made = await Author(database).create("Graph", valid())
    return made.current.ref


def child(graph: GraphRef, index: int | None = None, *, name: str = "", visit: int = 1, **more: Any) -> ExecutionInput:
    map_id = None if index is None else more.pop("map_id", "map_1")
    parent = Parent(
        execution_id="above",
        temporal_id="above",
        node_id=more.pop("node_id", "each"),
        visit=visit,
        key="each#1#1",
        index=index,
        map_id=map_id,
    )
    given = {"execution_id": name or f"exec_{index}", "tenant": "acme", "graph": graph, "parent": parent, **more}
    return ExecutionInput(**given)


async def landed(database: Database, start: ExecutionInput, **more: Any) -> Landing:
    request = LandRequest(
        temporal_id=start.execution_id,
        execution_id=start.execution_id,
        tenant=start.tenant,
        original_run_id="run",
        graph=start.graph,
        start=start,
        **more,
    )
    async with database.transaction() as session:
        return await land(session, None, request, "run")  # pyright: ignore[reportArgumentType]


async def ended(database: Database, name: str, status: str, output: Any = None) -> None:
    async with database.transaction() as session:
        changed = update(ExecutionRow).where(col(ExecutionRow.id) == name)
        await session.execute(changed.values(status=status, output_data=output))


async def test_a_child_has_its_row_from_its_landing_on(database: Database, graph: GraphRef) -> None:
    start = child(graph, 3, input={"a": 1}, item="x", metadata={"who": "ann"}, live=False)
    landing = await landed(database, start, engine=ENGINE + 1)
    await landed(database, start)
    assert (landing.engine, landing.definition) == (ENGINE, valid())
    async with database.session() as session:
        (row,) = (await session.execute(select(ExecutionRow))).scalars()
    shown = (row.id, row.tenant, row.live, row.status, row.run_id, row.input_data, row.metadata_, row.version_id)
    assert shown == ("exec_3", "acme", False, "running", "run", {"a": 1}, {"who": "ann"}, graph.version_id)
    above = (row.parent_execution_id, row.parent_node_id, row.parent_visit, row.parent_map_id, row.parent_index)
    assert above == ("above", "each", 1, "map_1", 3)
    assert row.work_digest == work_digest(start)


async def test_code_of_the_first_release_keeps_its_rules(database: Database, graph: GraphRef) -> None:
    assert (await landed(database, child(graph, 0))).engine == 1


async def test_pins_stay_those_of_the_first_landing(database: Database) -> None:
    author = Author(database)
    below = await author.create("Below", valid())
    above = await author.create("Above", sequence(node("sub", "subgraph", workflow_id=below.uuid)))
    start = child(above.current.ref, name="exec_x")
    first = await landed(database, start, pin=True)
    await author.update(below.id, definition=valid("other"))
    await author.publish(below.id)
    assert (await landed(database, start, pin=True)).pins == first.pins == {below.uuid: below.current.ref}
    assert (await landed(database, start)).pins == {}


def kept_request(graph: GraphRef, *indexes: int, **more: Any) -> KeptRequest:
    digests = [work_digest(child(graph, index, item=index)) for index in indexes]
    values = {"tenant": "acme", "previous": "map_1", "map_id": "map_2", "first": indexes[0], "digests": digests}
    return KeptRequest(**{**values, **more})


async def keep(database: Database, request: KeptRequest) -> dict[int, Any]:
    async with database.transaction() as session:
        return (await keep_items(session, request)).values


async def test_a_map_keeps_what_another_had_finished_of_the_same(database: Database, graph: GraphRef) -> None:
    for index, status in enumerate(["completed", "failed", "running", "completed"]):
        await landed(database, child(graph, index, item=index))
        await ended(database, f"exec_{index}", status, {"n": index})
    other = kept_request(graph, 0, 1, 2, 3)
    other.digests[3] = "of something else"
    assert await keep(database, other) == {0: {"n": 0}}
    assert await keep(database, other) == {0: {"n": 0}}, "asked again it says the same"
    assert await keep(database, kept_request(graph, 0, map_id="map_3")) == {}
    assert await keep(database, kept_request(graph, 0, previous="map_2", map_id="map_3")) == {0: {"n": 0}}
    assert await keep(database, kept_request(graph, 3, tenant="other")) == {}
    assert await keep(database, kept_request(graph, 3)) == {3: {"n": 3}}


async def test_children_are_counted_by_node_and_the_latest_of_the_same_work(
    database: Database, graph: GraphRef
) -> None:
    for index, status in enumerate(["completed", "failed", "paused"]):
        await landed(database, child(graph, index))
        await ended(database, f"exec_{index}", status)
    await landed(database, child(graph, 1, name="again", map_id="map_2"))
    await landed(database, child(graph, name="sub", node_id="sub", visit=2))
    await landed(database, child(graph, 0, name="theirs", tenant="other"))
    async with database.session() as session:
        found = await children_of(session, ACME, "above", {("each", 1): 10})
        assert found == {"each": Children(waiting=7, running=1, completed=1, paused=1), "sub": Children(running=1)}
        assert found["each"].total == 10
        assert await children_of(session, ACME, "nobody", {}) == {}
