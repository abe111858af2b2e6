"""Graphs whose nodes name more tools than a query of the database takes."""

from __future__ import annotations

import uuid
from itertools import pairwise

from domain.graphs.authoring import ACME

from cairn.contracts.json import JsonObject
from cairn.domain.graphs.checking import MAX_TOOLS, Checker
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.tools.registry import ToolRegistry
from cairn.graph.model import GraphIssue
from cairn.graph.validate import ValidationContext
from cairn.persistence.session import Database


def naming(tools: list[str]) -> JsonObject:
    """A call whose nodes name tools, so many each."""
    stretch = 25_000
    nodes = [
        {
            "id": f"n{first}",
            "type": "startCall" if first == 0 else "agentNode",
            "data": {"name": f"n{first}", "prompt": "Speak.", "tool_uuids": tools[first : first + stretch]},
        }
        for first in range(0, len(tools), stretch)
    ]
    ids = [each["id"] for each in nodes]
    edges = [
        {"id": f"e{at}", "source": a, "target": b, "data": {"label": "on", "condition": "on"}}
        for at, (a, b) in enumerate(pairwise(ids))
    ]
    return {"nodes": nodes, "edges": edges}


def new(count: int) -> list[str]:
    return [str(uuid.UUID(int=number)) for number in range(count)]


async def checked(database: Database, tools: list[str]) -> list[GraphIssue]:
    async with database.transaction() as session:
        checker = Checker(ValidationContext(), ToolService(session, ACME, "ada", ToolRegistry()))
        document = await checker.read(naming(tools))
        return [issue for issue in await checker.issues(document) if issue.severity == "error"]


async def test_as_many_as_a_graph_may_name_are_looked_up(database: Database) -> None:
    async with database.transaction() as session:
        made = await ToolService(session, ACME, "ada", ToolRegistry()).create(
            "Sum", {"type": "calculator", "schema_version": 1}
        )
    issues = await checked(database, [*new(MAX_TOOLS - 1), made.uuid, made.uuid])
    assert {(issue.kind, issue.id, issue.field) for issue in issues} == {("node", "n0", "data.tool_uuids")}
    assert len(issues) == MAX_TOOLS - 1
    assert not any(made.uuid in issue.message for issue in issues)


async def test_more_are_one_error(database: Database) -> None:
    issues = await checked(database, new(100_000))
    assert [(issue.kind, issue.message) for issue in issues] == [
        ("workflow", "The nodes of a graph name together at most 10000 tools")
    ]


async def test_however_many_uuids_are_asked_for_those_that_exist_are_found(database: Database) -> None:
    async with database.transaction() as session:
        service = ToolService(session, ACME, "ada", ToolRegistry())
        made = [await service.create("Sum", {"type": "calculator", "schema_version": 1}) for _ in range(3)]
        uuids = {each.uuid for each in made}
        assert await service.known([*new(100_000), *uuids]) == uuids
