"""Graphs and their versions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from domain.graphs.authoring import ACME, Author, invalid, valid
from sqlalchemy import select, update
from sqlmodel import col

from cairn.contracts.json import digest
from cairn.domain.graphs import load_definition, published_version
from cairn.errors import BadRequest, CairnError, Conflict, InvalidInput, NotFound
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow, GraphTriggerRow, GraphVersionRow


@pytest.fixture
def ada(database: Database) -> Author:
    return Author(database)


async def versions(database: Database) -> list[tuple[int, str]]:
    query = select(GraphVersionRow.version, GraphVersionRow.status).order_by(col(GraphVersionRow.version))
    async with database.session() as session:
        return [(number, status) for number, status in await session.execute(query)]


async def test_a_valid_graph_is_published_when_it_is_made(ada: Author) -> None:
    made = await ada.create(" Support ", valid(), {"max_call_duration": 60})
    got = await ada.get(made.id)
    assert got == await ada.get(made.uuid) == await ada.get(str(made.id)) == made
    assert (got.summary.name, got.summary.status, got.summary.node_count, got.summary.total_runs) == (
        "Support",
        "active",
        2,
        0,
    )
    assert got.current == got.published
    assert (got.current.version, got.current.status, got.current.author) == (1, "published", "ada")
    assert got.current.definition == valid()
    assert got.current.digest == digest(valid())
    assert got.current.published_at is not None
    assert got.configuration == {"max_call_duration": 60}
    assert not made.issues


async def test_an_invalid_graph_is_a_draft_with_errors(ada: Author) -> None:
    made = await ada.create("Broken", invalid())
    assert (made.current.version, made.current.status, made.published) == (1, "draft", None)
    assert [(issue.kind, issue.id) for issue in made.issues if issue.severity == "error"] == [("edge", "e")]
    assert (await ada.get(made.id)).current.definition == invalid()
    assert tuple(await ada.validate(made.id)) == made.issues


@pytest.mark.parametrize(
    ("definition", "pointer"),
    [
        ({"nodes": "none"}, "/definition/nodes"),
        ({"nodes": [{"type": "start"}]}, "/definition/nodes/0/id"),
        ({"nodes": [{"id": "a/b", "type": "start", "data": []}]}, "/definition/nodes/0/data"),
        ({"note": float("nan")}, "/definition"),
        ({"note": "\ud800"}, "/definition"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_malformed_definition_is_refused(ada: Author, definition: Any, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await ada.create("Malformed", definition)
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert await ada.list("all") == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 256, "a\x00b", "a\nb", "\ud800"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_bad_name_is_refused(ada: Author, name: str) -> None:
    with pytest.raises(InvalidInput):
        await ada.create(name, valid())
    made = await ada.create("x" * 255, valid())
    with pytest.raises(InvalidInput):
        await ada.update(made.id, name=name)


async def test_a_change_makes_a_draft_and_changes_it_in_place(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    drafted = await ada.update(made.id, definition=valid("second"))
    assert (drafted.current.version, drafted.current.status) == (2, "draft")
    assert drafted.published == made.published
    edited = await ada.update(made.id, definition=invalid())
    assert (edited.current.id, edited.current.version) == (drafted.current.id, 2)
    assert edited.issues and edited.current.digest == digest(invalid())
    assert await versions(database) == [(1, "published"), (2, "draft")]
    assert edited.summary.revision == made.summary.revision + 2
    assert edited.summary.updated_at > made.summary.updated_at


async def test_an_empty_definition_is_a_draft_too(ada: Author) -> None:
    made = await ada.create("Graph", valid())
    emptied = await ada.update(made.id, definition={})
    assert (emptied.current.version, emptied.current.definition, emptied.summary.node_count) == (2, {}, 0)


async def test_a_new_name_or_configuration_makes_no_draft(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    named = await ada.update(made.id, name="Renamed")
    assert (named.summary.name, named.current) == ("Renamed", made.current)
    again = await ada.update(made.id, name="Renamed twice", definition=valid())
    assert (again.summary.name, again.current) == ("Renamed twice", made.current)
    configured = await ada.update(made.id, configuration={"dictionary": "x"})
    assert (configured.configuration, configured.current) == ({"dictionary": "x"}, made.current)
    assert await versions(database) == [(1, "published")]


async def test_publishing_archives_what_was_published(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    await ada.update(made.id, definition=valid("second"))
    published = await ada.publish(made.uuid)
    assert (published.current.version, published.current.status) == (2, "published")
    assert published.current == published.published
    assert await versions(database) == [(1, "archived"), (2, "published")]
    with pytest.raises(BadRequest, match=r"^No draft to publish$"):
        await ada.publish(made.id)
    third = await ada.update(made.id, definition=valid("third"))
    assert third.current.version == 3


async def test_an_invalid_draft_is_not_published(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    await ada.update(made.id, definition=invalid())
    with pytest.raises(InvalidInput) as refused:
        await ada.publish(made.id)
    errors: Any = refused.value.extra["errors"]
    assert refused.value.extra["is_valid"] is False
    assert ("edge", "e", "target") in [(error["kind"], error["id"], error["field"]) for error in errors]
    assert await versions(database) == [(1, "published"), (2, "draft")]


async def test_a_stale_write_is_refused_with_both_versions(ada: Author) -> None:
    made = await ada.create("Graph", valid())
    drafted = await ada.update(made.id, definition=valid("second"), expected_version=1)
    with pytest.raises(Conflict) as refused:
        await ada.update(made.id, definition=valid("third"), expected_version=1)
    assert refused.value.extra == {"expected_version": 1, "current_version": 2, "current_revision": 2}
    assert (await ada.get(made.id)).current == drafted.current
    await ada.update(made.id, definition=valid("third"), expected_revision=drafted.summary.revision)
    with pytest.raises(Conflict):
        await ada.update(made.id, definition=valid("fourth"), expected_revision=drafted.summary.revision)


async def test_an_editor_whose_copy_of_a_draft_is_stale_is_told_both_versions_and_revisions(ada: Author) -> None:
    """A draft keeps its number while it is edited: what tells its copies apart is the revision."""
    made = await ada.create("Graph", valid())
    copied = await ada.update(made.id, definition=valid("second"), expected_version=1)
    seen = {"expected_version": 2, "expected_revision": copied.summary.revision}
    await ada.update(made.id, definition=valid("ann's"), **seen)
    with pytest.raises(Conflict) as refused:
        await ada.update(made.id, definition=valid("bob's"), **seen)
    assert refused.value.extra == {**seen, "current_version": 2, "current_revision": seen["expected_revision"] + 1}
    assert (await ada.get(made.id)).current.definition == valid("ann's")
    # The draft was published, and a new one begun: the number alone tells it.
    await ada.publish(made.id)
    await ada.update(made.id, definition=valid("third"))
    with pytest.raises(Conflict) as refused:
        await ada.update(made.id, definition=valid("bob's"), expected_version=2)
    assert (refused.value.extra["expected_version"], refused.value.extra["current_version"]) == (2, 3)


async def test_new_executions_take_the_published_version(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    await ada.update(made.id, definition=valid("second"))
    async with database.session() as session:
        for name in (made.id, str(made.id), made.uuid):
            assert await published_version(session, ACME, name) == made.published
    ref = made.current.ref
    assert (ref.workflow_id, ref.version_id, ref.version, ref.digest) == (
        made.uuid,
        made.current.id,
        1,
        digest(valid()),
    )


async def code(database: Database, graph: int | str, scope: Scope = ACME) -> str:
    async with database.session() as session:
        with pytest.raises(CairnError) as refused:
            await published_version(session, scope, graph)
        return f"{refused.value.status} {refused.value.code}"


async def test_what_cannot_be_started_says_why(ada: Author, database: Database) -> None:
    draft, graph = await ada.create("Draft", invalid()), await ada.create("Graph", valid())
    assert await code(database, draft.id) == "409 workflow_not_published"
    await ada.set_status(graph.id, "archived")
    assert await code(database, graph.uuid) == "409 workflow_archived"
    for name in (0, -1, 10**6, 2**63, 2**200, "9" * 5000, "nothing", "", "a\x00b", "٣"):
        assert await code(database, name) == "404 workflow_not_found"
    assert await code(database, graph.id, Scope("rival", live=True)) == "404 workflow_not_found"
    assert await code(database, graph.id, Scope("acme", live=False)) == "404 workflow_not_found"


async def test_active_again_publishes_a_valid_draft_when_nothing_is_published(ada: Author) -> None:
    broken, graph = await ada.create("Broken", invalid()), await ada.create("Graph", valid())
    await ada.update(graph.id, definition=valid("second"))
    assert (await ada.set_status(graph.id, "archived")).summary.status == "archived"
    again = await ada.set_status(graph.id, "active")
    assert (again.summary.status, again.current.status) == ("active", "draft")
    await ada.set_status(broken.id, "archived")
    with pytest.raises(InvalidInput):
        await ada.set_status(broken.id, "active")
    assert (await ada.get(broken.id)).summary.status == "archived"
    await ada.update(broken.id, definition=valid())
    assert (await ada.set_status(broken.id, "active")).published is not None


async def test_lists_are_newest_first_by_status(ada: Author, database: Database) -> None:
    one, two = await ada.create("One", valid()), await ada.create("Two", valid())
    await ada.update(two.id, definition={})
    await ada.set_status(one.id, "archived")
    await Author(database, Scope("rival", live=True)).create("Theirs", valid())
    await Author(database, Scope("acme", live=False)).create("Test", valid())

    async def names(status: str) -> list[tuple[str, int]]:
        return [(graph.name, graph.node_count) for graph in await ada.list(status)]

    assert await names("active") == [("Two", 0)]
    assert await names("archived") == [("One", 2)]
    assert await names("all") == [("Two", 0), ("One", 2)]


async def test_runs_are_counted(ada: Author, database: Database) -> None:
    made, other = await ada.create("Graph", valid()), await ada.create("Other", valid())
    for number in range(3):
        async with database.transaction() as session:
            session.add(
                ExecutionRow(
                    tenant="acme",
                    id=f"e{number}",
                    temporal_id=f"e{number}",
                    tag=f"{number:016x}",
                    graph_id=made.id,
                    workflow_uuid=made.uuid,
                    version_id=made.current.id,
                    version=1,
                    surface="omium",
                )
            )
    assert [(graph.id, graph.total_runs) for graph in await ada.list()] == [(other.id, 0), (made.id, 3)]
    assert (await ada.get(made.id)).summary.total_runs == 3


async def test_graphs_of_others_do_not_exist(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    for scope in (Scope("rival", live=True), Scope("acme", live=False)):
        other = Author(database, scope)
        for call in (
            other.get(made.id),
            other.update(made.uuid, name="mine"),
            other.publish(made.id),
            other.validate(made.id),
            other.set_status(made.id, "archived"),
        ):
            with pytest.raises(NotFound):
                await call
    assert await ada.get(made.id) == made


async def test_a_definition_is_loaded_by_its_digest(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid("loaded"))
    ref = made.current.ref
    async with database.session() as session:
        with pytest.raises(Conflict):
            await load_definition(session, ref.version_id, digest(valid("other")))
        with pytest.raises(NotFound):
            await load_definition(session, 10**9, ref.digest)
        first = await load_definition(session, ref.version_id, ref.digest)
        assert first == valid("loaded")
    async with database.transaction() as session:
        await session.execute(update(GraphVersionRow).values(definition={"damaged": True}))
    async with database.session() as session:
        assert await load_definition(session, ref.version_id, ref.digest) is first


async def test_a_damaged_definition_is_not_run(ada: Author, database: Database) -> None:
    ref = (await ada.create("Graph", valid("damaged"))).current.ref
    async with database.transaction() as session:
        await session.execute(update(GraphVersionRow).values(definition=valid("tampered")))
    async with database.session() as session:
        with pytest.raises(Conflict):
            await load_definition(session, ref.version_id, ref.digest)


HARD = {"float": 1e300, "small": 5e-324, "zero": -0.0, "big": 2**70, "nul": "\x00", "ü": "𝄞", "deep": [[[{}]]]}


async def test_every_json_value_keeps_its_digest(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", {**valid(), "note": HARD})
    async with database.session() as session:
        loaded = await load_definition(session, made.current.id, made.current.digest)
    assert loaded["note"] == HARD


async def test_two_publish_at_once(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    await ada.update(made.id, definition=valid("second"))
    results = await asyncio.gather(*(ada.publish(made.id) for _ in range(4)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["BadRequest"] * 3 + ["Graph"]
    assert await versions(database) == [(1, "archived"), (2, "published")]


async def test_many_drafts_at_once_are_one(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    changes = (ada.update(made.id, definition=valid(f"change {n}")) for n in range(8))
    results = await asyncio.gather(*changes)
    assert {result.current.version for result in results} == {2}
    assert await versions(database) == [(1, "published"), (2, "draft")]
    assert (await ada.get(made.id)).summary.revision == made.summary.revision + 8


async def test_publish_and_update_at_once_lose_nothing(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid())
    await ada.update(made.id, definition=valid("second"))
    await asyncio.gather(ada.publish(made.id), ada.update(made.id, definition=valid("third")))
    got = await ada.get(made.id)
    assert got.current.definition == valid("third")
    assert (await versions(database))[0] == (1, "archived")
    assert got.published is not None
    assert got.published.definition in (valid("second"), valid("third"))


async def held(database: Database) -> list[str]:
    async with database.session() as session:
        return sorted((await session.execute(select(GraphTriggerRow.path))).scalars())


async def test_a_trigger_path_belongs_to_one_graph_of_all_tenants(ada: Author, database: Database) -> None:
    made = await ada.create("Graph", valid(trigger="front-door"))
    assert made.trigger_paths == ["front-door"]
    rival = Author(database, Scope("rival", live=True))
    with pytest.raises(InvalidInput) as refused:
        await rival.create("Theirs", valid(trigger="front-door"))
    errors: Any = refused.value.extra["errors"]
    assert [(error["kind"], error["id"], error["field"]) for error in errors] == [("node", "hook", "data.trigger_path")]
    theirs = await rival.create("Theirs", valid())
    with pytest.raises(InvalidInput):
        await rival.update(theirs.id, definition=valid(trigger="front-door"))
    assert (await rival.get(theirs.id)).current.version == 1
    assert len(await rival.list("all")) == 1
    await rival.update(theirs.id, definition=valid(trigger="Front-Door"))


async def test_a_trigger_without_a_path_gets_one(ada: Author) -> None:
    sent = valid(trigger="")
    made = await ada.create("Graph", sent)
    [path] = made.trigger_paths
    assert len(path) == 36
    assert made.current.definition["nodes"][2]["data"] == {"name": "Hook", "trigger_path": path}
    assert made.current.digest == digest(made.current.definition)
    assert sent == valid(trigger="")


async def test_paths_are_held_by_draft_and_published_version_and_freed_by_neither(
    ada: Author, database: Database
) -> None:
    made = await ada.create("Graph", valid(trigger="old"))
    drafted = await ada.update(made.id, definition=valid(trigger="new"))
    assert drafted.trigger_paths == ["new", "old"] == await held(database)
    await ada.update(made.id, definition=valid(trigger="newer"))
    assert await held(database) == ["newer", "old"]
    published = await ada.publish(made.id)
    assert published.trigger_paths == ["newer"] == await held(database)
    await ada.create("Other", valid(trigger="old"))


async def test_of_many_creates_with_one_path_one_wins(ada: Author, database: Database) -> None:
    creates = (ada.create(f"Graph {n}", valid(trigger="door")) for n in range(50))
    results = await asyncio.gather(*creates, return_exceptions=True)
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["Graph"] + ["InvalidInput"] * 49
    assert len(await ada.list("all")) == 1
    assert await held(database) == ["door"]
    for result in results:
        if isinstance(result, InvalidInput):
            assert result.code == "trigger_path_taken"
            assert result.errors
