"""The tools of a tenant: those of the installation, and those that its authors made."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from itertools import islice

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject, merge_patch
from cairn.domain.tools.authored.model import AuthoredTool
from cairn.domain.tools.authored.spec import ToolSpec, read_spec
from cairn.domain.tools.registry import ToolRegistry
from cairn.errors import Conflict, FieldError, InvalidInput, NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import CredentialRow, ToolRow
from cairn.persistence.types import utc_now

_BATCH = 1000
"""Uuids that are asked for at once; SQLite takes 32,766 parameters in a query, PostgreSQL 65,535."""


_ICON = "wrench"


def _called(names: Collection[str]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(ToolRow.called).in_(names), col(ToolRow.status) == "active"


class ToolService:
    """Makes, lists and archives tools within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, author: str | None, registry: ToolRegistry) -> None:
        """Take the session, whose tools, who writes, and the installation's tools."""
        self._session = session
        self._scope = scope
        self._author = author
        self.registry = registry
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

    async def register(self, spec: ToolSpec) -> AuthoredTool:
        """Make a tool that agents and graphs call by its name.

        Raises:
            Conflict: the installation or the scope has a tool of this name (``tool_exists``).
            InvalidInput: it names a credential that the scope does not have.
        """
        self._not_native(spec.name)
        await self._know_reference(spec)
        row = ToolRow(
            tenant=self._scope.tenant,
            live=self._scope.live is not False,
            uuid=str(uuid.uuid4()),
            name=spec.name,
            called=spec.name,
            description=spec.description,
            category=spec.kind,
            icon=_ICON,
            definition=spec.definition,
            author=self._author,
        )
        try:
            async with self._session.begin_nested():
                return AuthoredTool.of(await self._tools.add(row))
        except IntegrityError as error:
            message = f"There is a tool {spec.name!r} already: name it among the agent's tools, or choose another name."
            raise Conflict(message, code="tool_exists") from error

    async def change(self, name: str, patch: JsonObject) -> AuthoredTool:
        """Change what is said of a tool that agents name; what changes nothing makes no version.

        Args:
            name: by which it is called.
            patch: merge patch (RFC 7396) of a ``ToolSpec``; a schema is replaced as a whole.

        Raises:
            NotFound: the scope has no such tool.
            InvalidInput: it is none that can be called then, or names a credential that there is not.
        """
        row = await self._tools.get(self._scope, *_called([name]), lock=True)
        if row is None:
            raise NotFound("No such tool.", code="tool_not_found")
        before = ToolSpec.of(row.name, row.description, row.definition)
        whole = {key: value for key, value in patch.items() if key == "args_schema" and value is not None}
        after = read_spec({**merge_patch(before.model_dump(), patch), **whole})
        await self._know_reference(after)
        if after != before:
            row.description, row.category, row.definition = after.description, after.kind, after.definition
            row.version, row.updated_at, row.author = row.version + 1, utc_now(), self._author
            await self._session.flush()
        return AuthoredTool.of(row)

    async def named(self, names: Collection[str]) -> dict[str, AuthoredTool]:
        """Return the authors' tools in use of some names."""
        found: dict[str, AuthoredTool] = {}
        wanted = iter(dict.fromkeys(name for name in names if name.isascii() and name.isprintable()))
        while batch := list(islice(wanted, _BATCH)):
            rows = await self._tools.all(self._scope, *_called(batch))
            found |= {str(row.called): AuthoredTool.of(row) for row in rows}
        return found

    async def callable(self, names: Collection[str]) -> frozenset[str]:
        """Return which of some names are those of tools that agents can call."""
        return frozenset(await self.named(names)) | {name for name in names if name in self.registry}

    async def once_named(self, names: Collection[str]) -> frozenset[str]:
        """Return which of some names are those of authors' tools, in use or not."""
        rows = await self._tools.all(self._scope, col(ToolRow.called).in_(names))
        return frozenset(str(row.called) for row in rows)

    async def list(
        self, statuses: Collection[str] = ("active",), category: str | None = None
    ) -> Sequence[AuthoredTool]:
        """Return the tools of some statuses and perhaps one category: the authors', newest first, then the others."""
        filters = [col(ToolRow.status).in_(statuses)]
        filters += [col(ToolRow.category) == category] if category else []
        rows = await self._tools.all(self._scope, *filters, order=(col(ToolRow.id).desc(),))
        own = [AuthoredTool.of(row) for row in rows]
        given = self.registry if "active" in statuses and category in (None, "native") else ()
        return own + sorted((AuthoredTool.native(each) for each in given), key=lambda each: each.name)

    async def get(self, tool: str) -> AuthoredTool:
        """Return a tool by its uuid, archived ones too.

        Raises:
            NotFound: the scope has no such tool (``tool_not_found``).
        """
        for each in self.registry:
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
        """Return which of some uuids are tools that can be called without a person's approval."""
        asked, found = {tool for tool in tools if tool.isascii() and tool.isprintable()}, set[str]()
        wanted, active = iter(asked), col(ToolRow.status) == "active"
        while batch := list(islice(wanted, _BATCH)):
            rows = await self._tools.all(self._scope, col(ToolRow.uuid).in_(batch), active)
            found.update(row.uuid for row in rows if not row.definition.get("require_approval"))
        return frozenset(found) | ({AuthoredTool.native(each).uuid for each in self.registry} & asked)

    async def _row(self, tool: str, *, lock: bool = False) -> ToolRow:
        named = tool if tool.isascii() and tool.isprintable() else ""
        row = await self._tools.get(self._scope, col(ToolRow.uuid) == named, lock=lock)
        if row is None:
            raise NotFound("No such tool.", code="tool_not_found")
        return row

    def _not_native(self, name: str) -> None:
        if name in self.registry.names():
            raise Conflict(f"The installation has a tool {name!r} of its own.", code="tool_exists")

    async def _know_reference(self, spec: ToolSpec) -> None:
        named = spec.http.auth_ref if spec.http is not None else None
        try:
            await self._know_credential({"config": {"credential_uuid": named}})
        except NotFound as error:
            errors = [FieldError("/http/auth_ref", "There is no such credential")]
            raise InvalidInput("The tool is not valid.", errors=errors, code="invalid_tool") from error

    async def _know_credential(self, definition: JsonObject) -> None:
        credential = definition.get("config", {}).get("credential_uuid")
        if credential is None:
            return
        named = credential if credential.isascii() and credential.isprintable() else ""
        found = await Repository(self._session, CredentialRow).get(self._scope, col(CredentialRow.uuid) == named)
        if found is None:
            raise NotFound("The tool names a credential that does not exist.", code="credential_not_found")
