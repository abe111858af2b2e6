"""Graphs and their versions, as their authors work with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.credentials import Sealer, TextSealer
from cairn.domain.folders.rows import find_folder
from cairn.domain.graphs import triggers
from cairn.domain.graphs.checking import Checker, not_valid
from cairn.domain.graphs.document import Document, stored
from cairn.domain.graphs.model import Graph, GraphStatus
from cairn.domain.graphs.reading import GraphReader
from cairn.domain.graphs.rows import find_graph
from cairn.domain.names import checked_name
from cairn.domain.tools.authored.service import ToolService
from cairn.errors import BadRequest, Conflict
from cairn.graph.model import GraphIssue
from cairn.graph.validate import ValidationContext, is_valid
from cairn.persistence.repository import Scope
from cairn.persistence.tables import GraphRow, GraphVersionRow
from cairn.persistence.types import utc_now

MAX_NAME = 255

LASTING = ("template_context_variables", "call_disposition_codes")
"""Members of the configuration that a new one keeps unless it names them: clients send them apart from it."""


class GraphService(GraphReader):
    """Makes, reads, changes and publishes graphs within a session; commits nothing.

    What takes long, reading and validating definitions, is done before a lock is taken, and beside the event loop.
    """

    def __init__(
        self,
        session: AsyncSession,
        scope: Scope,
        author: str | None,
        context: ValidationContext,
        tools: ToolService | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        """Take the session, whose graphs, who writes, and what definitions may refer to.

        Also where authors' tools are, and what encrypts the secrets of definitions; without they are kept as written.
        """
        super().__init__(session, scope)
        self._author = author
        texts = TextSealer(sealer, scope.tenant, scope.live is not False) if sealer is not None else None
        self._checker = Checker(context, tools, texts.seal if texts is not None else None)

    async def create(self, name: str, definition: JsonObject, configuration: JsonObject | None = None) -> Graph:
        """Make a graph; its version 1 is published when it is valid, else a draft whose errors are in ``issues``.

        Raises:
            InvalidInput: the name is blank or too long, the definition malformed, or a trigger path in use.
        """
        document = await self._checker.read(definition)
        issues = await self._checker.issues(document)
        status = "published" if is_valid(issues) else "draft"
        return await self._make(
            checked_name(name, MAX_NAME), document, status, issues, configuration=configuration or {}
        )

    async def duplicate(self, graph: int | str) -> Graph:
        """Make a graph with the draft of another, else its published version, and its configuration.

        The new one is a draft, and its triggers have paths of their own.
        """
        row = await find_graph(self.session, self.scope, graph)
        source = await self.current(row)
        document = await self._checker.read(triggers.without_paths(source.definition))
        issues = await self._checker.issues(document)
        name = f"{row.name[: MAX_NAME - 7]} (copy)"
        return await self._make(
            name, document, "draft", issues, configuration=row.configuration, folder_id=row.folder_id
        )

    async def update(
        self,
        graph: int | str,
        *,
        name: str | None = None,
        definition: JsonObject | None = None,
        configuration: JsonObject | None = None,
        lasting: JsonObject | None = None,
        expected_version: int | None = None,
        expected_revision: int | None = None,
    ) -> Graph:
        """Change what is given; a definition makes or replaces the draft, whose errors are in ``issues``.

        Args:
            graph: number or uuid.
            name: new name.
            definition: new definition; one that comes with a new name and is the current one changes nothing.
            configuration: replaces the configuration, of all versions at once, but for members that are ``LASTING``.
            lasting: replaces these members; None as a value removes one.
            expected_version: refuse unless this is the current version's number.
            expected_revision: refuse unless the graph is at this revision; tells two edits of one draft apart.

        Raises:
            InvalidInput: as for :meth:`create`.
            Conflict: the graph is not what was expected; ``extra`` has what was expected, the version and the revision.
        """
        name = None if name is None else checked_name(name, MAX_NAME)
        document: Document | None = None
        issues: Sequence[GraphIssue] = ()
        if definition is not None:
            before = await self.current(await find_graph(self.session, self.scope, graph))
            document = await self._checker.read(definition, triggers.paths_of(before.definition))
            issues = await self._checker.issues(document)
        row = await find_graph(self.session, self.scope, graph, lock=True)
        draft, published = await self.draft_and_published(row)
        current = cast("GraphVersionRow", draft or published)
        _expect({"version": expected_version, "revision": expected_revision}, row, current)
        if document and not (document.digest == current.digest and name not in (None, row.name)):
            await self._save_draft(row, draft, document)
        row.name = name if name is not None else row.name
        row.configuration = _configuration(row.configuration, configuration, lasting or {})
        self._touch(row)
        return await self.shown(row, issues)

    async def move(self, graph: int | str, folder_id: int | None) -> Graph:
        """Put a graph into a folder, or out of all. That is no change of the graph: its revision stays.

        Raises:
            NotFound: the scope has no such folder.
        """
        # The folder first: whoever deletes it takes the locks in the same order.
        folder = None if folder_id is None else await find_folder(self.session, self.scope, folder_id, lock=True)
        row = await find_graph(self.session, self.scope, graph, lock=True)
        row.folder_id = None if folder is None else folder.id
        return await self.shown(row)

    async def validate(self, graph: int | str) -> Sequence[GraphIssue]:
        """Return the errors and warnings of the current version; changes nothing."""
        row = await find_graph(self.session, self.scope, graph)
        current = await self.current(row)
        issues = await self._checker.issues(stored(current))
        return [*issues, *await triggers.clashes(self.session, current.definition, row.id)]

    async def create_draft(self, graph: int | str) -> Graph:
        """Make a draft of the published version; a draft that exists stays as it is."""
        row = await find_graph(self.session, self.scope, graph, lock=True)
        draft, published = await self.draft_and_published(row)
        if draft is None and published is not None:
            await self._save_draft(row, None, stored(published))
            self._touch(row)
        return await self.shown(row)

    async def publish(self, graph: int | str) -> Graph:
        """Publish the draft; the version that was published before is archived, its executions go on.

        Raises:
            BadRequest: there is no draft.
            InvalidInput: the draft is not valid; ``extra`` has ``is_valid`` and ``errors``.
        """
        await self._check_draft(graph)
        row = await find_graph(self.session, self.scope, graph, lock=True)
        draft, published = await self.draft_and_published(row)
        if draft is None:
            raise BadRequest("No draft to publish", code="no_draft")
        await self._publish(row, draft, published)
        return await self.shown(row)

    async def set_status(self, graph: int | str, status: GraphStatus) -> Graph:
        """Archive a graph (no new executions; running ones go on) or make it active again.

        Active: publishes the draft when nothing is published.

        Raises:
            InvalidInput: that draft is not valid.
        """
        if status == "active":
            await self._check_draft(graph)
        row = await find_graph(self.session, self.scope, graph, lock=True)
        draft, published = await self.draft_and_published(row)
        if status == "active" and published is None and draft is not None:
            await self._publish(row, draft, None)
        row.status = status
        self._touch(row)
        return await self.shown(row)

    async def _make(
        self, name: str, document: Document, status: str, issues: Sequence[GraphIssue], **values: Any
    ) -> Graph:
        row = await self.graphs.add(
            GraphRow(
                tenant=self.scope.tenant,
                live=self.scope.live is not False,
                uuid=str(uuid.uuid4()),
                name=name,
                **values,
            )
        )
        await self._add_version(row, document, 1, status)
        return await self.shown(row, issues)

    async def _check_draft(self, graph: int | str) -> None:
        """Validate the draft before a lock is taken; if it is edited meanwhile, that is done again under the lock."""
        draft, _ = await self.draft_and_published(await find_graph(self.session, self.scope, graph))
        if draft is not None:
            await self._checker.issues(stored(draft))

    async def _publish(self, row: GraphRow, draft: GraphVersionRow, published: GraphVersionRow | None) -> None:
        issues = await self._checker.issues(stored(draft))
        if not is_valid(issues):
            raise not_valid(issues)
        if published is not None:
            # First, and alone: the database allows one published version at any moment.
            published.status, published.updated_at = "archived", utc_now()
            await self.session.flush()
        draft.status, draft.published_at, draft.updated_at = "published", utc_now(), utc_now()
        self._touch(row)
        await self.session.flush()
        await self._hold_triggers(row)

    async def _save_draft(self, row: GraphRow, draft: GraphVersionRow | None, document: Document) -> None:
        if draft is None:
            await self._add_version(row, document, await self._last_number(row) + 1, "draft")
            return
        draft.definition, draft.digest, draft.node_count = document.raw, document.digest, document.node_count
        draft.author, draft.updated_at = self._author, utc_now()
        await self.session.flush()
        await self._hold_triggers(row)

    async def _add_version(self, row: GraphRow, document: Document, number: int, status: str) -> None:
        await self.version_rows.add(
            GraphVersionRow(
                tenant=row.tenant,
                live=row.live,
                graph_id=cast("int", row.id),
                version=number,
                status=status,
                definition=document.raw,
                digest=document.digest,
                node_count=document.node_count,
                author=self._author,
                published_at=utc_now() if status == "published" else None,
            )
        )
        await self._hold_triggers(row)

    async def _hold_triggers(self, row: GraphRow) -> None:
        versions = [version for version in await self.draft_and_published(row) if version is not None]
        await triggers.hold(self.session, row, [version.definition for version in versions])

    async def _last_number(self, row: GraphRow) -> int:
        query = select(func.max(col(GraphVersionRow.version))).where(col(GraphVersionRow.graph_id) == row.id)
        return (await self.session.execute(query)).scalar_one() or 0

    @staticmethod
    def _touch(row: GraphRow) -> None:
        row.revision, row.updated_at = row.revision + 1, utc_now()


def _configuration(before: JsonObject, after: JsonObject | None, lasting: JsonObject) -> JsonObject:
    kept = before if after is None else {**{key: before[key] for key in LASTING if key in before}, **after}
    replaced = {**kept, **lasting}
    return {key: value for key, value in replaced.items() if key not in lasting or value is not None}


def _expect(expected: Mapping[str, int | None], row: GraphRow, current: GraphVersionRow) -> None:
    now = {"version": current.version, "revision": row.revision}
    for what, number in expected.items():
        if number not in (None, now[what]):
            told = {f"expected_{each}": value for each, value in expected.items() if value is not None}
            raise Conflict(
                f"The workflow is at {what} {now[what]}, not {number}.",
                code="stale_version",
                extra={**told, **{f"current_{each}": value for each, value in now.items()}},
            )
