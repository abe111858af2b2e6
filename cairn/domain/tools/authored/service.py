"""The tools of a tenant: those of the installation, and those that its authors made."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.tools.authored.model import AuthoredTool
from cairn.domain.tools.registry import ToolRegistry
from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import CredentialRow, ToolRow
from cairn.persistence.types import utc_now

_BATCH = 1000
"""Uuids that are asked for at once; SQLite takes 32,766 parameters in a query, PostgreSQL 65,535."""


class ToolService:
    """Makes, lists and archives tools within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, author: str | None, registry: ToolRegistry) -> None:
        """Take the session, whose tools, who writes, and the installation's tools."""
        self._session = session
        self._scope = scope
        self._author = author
        self._registry = registry
        self._tools = Repository(session, ToolRow)

    async def create(
        self,
        name: str,
        definition: JsonObject,
        *,
        description: str | None = None,
        icon: str | None = None,
        icon_color: str | None = None,
    ) -> AuthoredTool:
        """Make a tool.

        Args:
            name: for people.
            definition: of the form of ``ToolDefinition``.
            description: for the model that may call it.
            icon: for people.
            icon_color: for people.

        Raises:
            NotFound: it names a credential that the scope does not have (``credential_not_found``).
        """
        await self._know_credential(definition)
        row = ToolRow(
            tenant=self._scope.tenant,
            live=self._scope.live is not False,
            uuid=str(uuid.uuid4()),
            name=name,
            description=description,
            category=definition["type"],
            icon=icon,
            icon_color=icon_color,
            definition=definition,
            author=self._author,
        )
        return AuthoredTool.of(await self._tools.add(row))

    async def list(
        self, statuses: Collection[str] = ("active",), category: str | None = None
    ) -> Sequence[AuthoredTool]:
        """Return the tools of some statuses and perhaps one category: the authors', newest first, then the others."""
        filters = [col(ToolRow.status).in_(statuses)]
        filters += [col(ToolRow.category) == category] if category else []
        rows = await self._tools.all(self._scope, *filters, order=(col(ToolRow.id).desc(),))
        own = [AuthoredTool.of(row) for row in rows]
        given = self._registry if "active" in statuses and category in (None, "native") else ()
        return own + sorted((AuthoredTool.native(each) for each in given), key=lambda each: each.name)

    async def get(self, tool: str) -> AuthoredTool:
        """Return a tool by its uuid, archived ones too.

        Raises:
            NotFound: the scope has no such tool (``tool_not_found``).
        """
        for each in self._registry:
            found = AuthoredTool.native(each)
            if found.uuid == tool:
                return found
        return AuthoredTool.of(await self._row(tool))

    async def begin_with(self, part: str) -> Sequence[AuthoredTool]:
        """Return the authors' tools in use whose uuids begin with a part."""
        begins = col(ToolRow.uuid).startswith(part, autoescape=True)
        rows = await self._tools.all(self._scope, begins, col(ToolRow.status) == "active")
        return [AuthoredTool.of(row) for row in rows]

    async def archive(self, tool: str) -> AuthoredTool:
        """Take an author's tool out of use; again is no error.

        Raises:
            NotFound: the scope has no such tool of an author.
        """
        row = await self._row(tool, lock=True)
        row.status, row.updated_at = "archived", utc_now()
        await self._session.flush()
        return AuthoredTool.of(row)

    async def known(self, tools: Collection[str]) -> frozenset[str]:
        """Return which of some uuids are tools that can be called."""
        asked, found = {tool for tool in tools if tool.isascii() and tool.isprintable()}, set[str]()
        wanted, active = iter(asked), col(ToolRow.status) == "active"
        while batch := list(islice(wanted, _BATCH)):
            rows = await self._tools.all(self._scope, col(ToolRow.uuid).in_(batch), active)
            found.update(row.uuid for row in rows)
        return frozenset(found) | ({AuthoredTool.native(each).uuid for each in self._registry} & asked)

    async def _row(self, tool: str, *, lock: bool = False) -> ToolRow:
        named = tool if tool.isascii() and tool.isprintable() else ""
        row = await self._tools.get(self._scope, col(ToolRow.uuid) == named, lock=lock)
        if row is None:
            raise NotFound("No such tool.", code="tool_not_found")
        return row

    async def _know_credential(self, definition: JsonObject) -> None:
        credential = definition.get("config", {}).get("credential_uuid")
        if credential is None:
            return
        named = credential if credential.isascii() and credential.isprintable() else ""
        found = await Repository(self._session, CredentialRow).get(self._scope, col(CredentialRow.uuid) == named)
        if found is None:
            raise NotFound("The tool names a credential that does not exist.", code="credential_not_found")
