"""Graphs for tests, and one call of the service in a transaction of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cairn.domain.graphs.service import GraphService
from cairn.graph.validate import ValidationContext
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database

ACME = Scope("acme", live=True)
JsonObject = dict[str, Any]


def valid(label: str = "go", *, trigger: str | None = None) -> JsonObject:
    """A definition without errors; another label makes another one."""
    nodes: list[JsonObject] = [
        {"id": "start", "type": "start", "data": {"name": "Start"}},
        {"id": "end", "type": "end", "data": {"name": "End"}},
    ]
    if trigger is not None:
        nodes.append({"id": "hook", "type": "trigger", "data": {"name": "Hook", "trigger_path": trigger}})
    edges = [{"id": "e", "source": "start", "target": "end", "data": {"label": label}}]
    return {"nodes": nodes, "edges": edges, "viewport": {"zoom": 1}, "note": "kept"}


def invalid() -> JsonObject:
    """A definition that can be a draft only."""
    return {**valid(), "edges": [{"id": "e", "source": "start", "target": "nowhere", "data": {"label": "go"}}]}


class Author:
    """Works as one author of one tenant."""

    def __init__(self, database: Database, scope: Scope = ACME) -> None:
        self.database, self.scope = database, scope

    @asynccontextmanager
    async def service(self) -> AsyncIterator[GraphService]:
        async with self.database.transaction() as session:
            yield GraphService(session, self.scope, "ada", ValidationContext())

    def __getattr__(self, method: str) -> Any:
        """Call a method of the service."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            async with self.service() as service:
                return await getattr(service, method)(*args, **kwargs)

        return call
