"""The versions that an execution's children run."""

from __future__ import annotations

from typing import Any

import pytest
from domain.graphs.authoring import ACME, Author, valid
from graphs import node, sequence

from cairn.contracts.json import JsonObject, digest
from cairn.domain.graphs.pinned import load_definition
from cairn.domain.graphs.pins import MAX_PINS, pins_of
from cairn.errors import Conflict, NotFound
from cairn.graph.references import body_at, graphs_named
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database


@pytest.fixture
def ada(database: Database) -> Author:
    return Author(database)


def sub(workflow_id: Any) -> JsonObject:
    return sequence(node("sub", "subgraph", workflow_id=workflow_id))


async def pins(database: Database, definition: JsonObject, scope: Scope = ACME) -> dict[str, str]:
    async with database.session() as session:
        return {name: ref.workflow_id for name, ref in (await pins_of(session, scope, definition)).items()}


async def test_graphs_are_pinned_by_the_name_that_nodes_use_and_those_that_they_name_too(
    ada: Author, database: Database
) -> None:
    last = await ada.create("Last", valid())
    middle = await ada.create("Middle", sub(last.uuid))
    body = sequence(node("inner", "map", items="[1]", workflow_id=str(middle.id)))
    definition = sequence(node("each", "map", items="[1]", body=body))
    assert await pins(database, definition) == {str(middle.id): middle.uuid, last.uuid: last.uuid}


async def test_a_graph_that_names_itself_is_pinned_once(ada: Author, database: Database) -> None:
    made = await ada.create("Circle", valid())
    await ada.update(made.id, definition=sub(made.uuid))
    await ada.publish(made.id)
    assert await pins(database, sub(made.uuid)) == {made.uuid: made.uuid}


async def test_what_cannot_be_run_is_not_pinned(ada: Author, database: Database) -> None:
    archived = await ada.create("Archived", valid())
    await ada.set_status(archived.id, "archived")
    mine = await ada.create("Mine", valid())
    assert await pins(database, sub(archived.uuid)) == {}
    assert await pins(database, sub("no-such-graph")) == {}
    assert await pins(database, sub(mine.uuid), Scope("other", live=True)) == {}
    assert await pins(database, sub(mine.uuid), Scope("acme", live=False)) == {}


async def test_there_is_an_end_to_pinning(database: Database) -> None:
    many = sequence(*(node(f"n{i}", "subgraph", workflow_id=f"g{i}") for i in range(MAX_PINS + 5)))
    assert len(graphs_named(many)) == MAX_PINS + 5
    assert await pins(database, many) == {}


async def test_an_inline_definition_is_loaded_by_its_place_and_digest(ada: Author, database: Database) -> None:
    inner = valid("inner")
    outer = sequence(node("in", "map", items="[1]", body=inner))
    made = await ada.create("Outer", sequence(node("out", "map", items="[1]", body=outer)))
    version = made.current.id
    async with database.session() as session:
        assert await load_definition(session, version, digest(inner), ["out", "in"]) == inner
        assert await load_definition(session, version, digest(outer), ["out"]) == outer
        with pytest.raises(Conflict):
            await load_definition(session, version, "0" * 64, ["out"])
        with pytest.raises(NotFound):
            await load_definition(session, version, "1" * 64, ["out", "elsewhere"])


def test_a_body_that_is_not_there_is_none() -> None:
    assert body_at(valid(), ["start"]) is None
    assert body_at(valid(), []) == valid()
