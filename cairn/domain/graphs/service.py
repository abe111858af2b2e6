"""Graphs and their versions, as their authors work with them."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from typing import Literal, cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.graphs import triggers
from cairn.domain.graphs.document import Document
from cairn.domain.graphs.model import Graph, GraphStatus, GraphSummary, GraphVersion
from cairn.domain.graphs.rows import find_graph, find_version
from cairn.errors import BadRequest, Conflict, FieldError, InvalidInput
from cairn.graph.model import Definition, GraphIssue
from cairn.graph.validate import ValidationContext, validate
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ExecutionRow, GraphRow, GraphTriggerRow, GraphVersionRow
from cairn.persistence.types import utc_now

MAX_NAME = 255


class GraphService:
    """Makes, reads, changes and publishes graphs within a session; commits nothing.

    A graph is named by its number or its uuid. Everything raises ``NotFound`` for a graph that the scope does not have.
    """

    def __init__(self, session: AsyncSession, scope: Scope, author: str | None, context: ValidationContext) -> None:
        """Take the session, whose graphs, who writes, and what definitions may refer to."""
        self._session = session
        self._scope = scope
        self._author = author
        self._context = context
        self._graphs = Repository(session, GraphRow)
        self._versions = Repository(session, GraphVersionRow)

    async def create(self, name: str, definition: JsonObject, configuration: JsonObject | None = None) -> Graph:
        """Make a graph; its version 1 is published when it is valid, else a draft whose errors are in ``issues``.

        Raises:
            InvalidInput: the name is blank or too long, the definition malformed, or a trigger path in use.
        """
        name, document = _name(name), Document.read(definition)
        issues = await self._issues(document, None)
        row = await self._graphs.add(
            GraphRow(
                tenant=self._scope.tenant,
                live=self._scope.live is not False,
                uuid=str(uuid.uuid4()),
                name=name,
                configuration=configuration or {},
            )
        )
        status = "draft" if _errors(issues) else "published"
        await self._add_version(row, document, 1, status)
        return await self._graph(row, issues)

    async def get(self, graph: int | str) -> Graph:
        """Return a graph."""
        return await self._graph(await find_graph(self._session, self._scope, graph))

    async def list(self, status: Literal["active", "archived", "all"] = "active") -> Sequence[GraphSummary]:
        """Return the graphs of a status, newest first."""
        filters = () if status == "all" else (col(GraphRow.status) == status,)
        rows = await self._graphs.all(self._scope, *filters, order=(col(GraphRow.id).desc(),))
        version = GraphVersionRow
        counts = select(col(version.graph_id), col(version.node_count)).where(
            *self._versions.owned(self._scope), col(version.status).in_(("draft", "published"))
        )
        # Published before draft, so that a draft's count takes the place of the other.
        nodes = dict((await self._session.execute(counts.order_by(col(version.status).desc()))).all())
        runs = await self._runs()
        return [GraphSummary.of(row, nodes[cast("int", row.id)], runs.get(cast("int", row.id), 0)) for row in rows]

    async def update(
        self,
        graph: int | str,
        *,
        name: str | None = None,
        definition: JsonObject | None = None,
        configuration: JsonObject | None = None,
        expected_version: int | None = None,
        expected_revision: int | None = None,
    ) -> Graph:
        """Change what is given; a definition makes or replaces the draft, whose errors are in ``issues``.

        Args:
            graph: number or uuid.
            name: new name.
            definition: new definition; one that comes with a new name and is the current one changes nothing.
            configuration: replaces the configuration, of all versions at once.
            expected_version: refuse unless this is the current version's number.
            expected_revision: refuse unless the graph is at this revision; tells two edits of one draft apart.

        Raises:
            InvalidInput: as for :meth:`create`.
            Conflict: the graph is not what was expected; ``extra`` has both numbers.
        """
        name = None if name is None else _name(name)
        document = None if definition is None else Document.read(definition)
        row = await find_graph(self._session, self._scope, graph, lock=True)
        draft, published = await self._draft_and_published(row)
        current = draft or published
        assert current is not None
        _expect("version", expected_version, current.version)
        _expect("revision", expected_revision, row.revision)
        issues: Sequence[GraphIssue] = ()
        if document and not (document.digest == current.digest and name not in (None, row.name)):
            issues = await self._save_draft(row, draft, document)
        row.name = name if name is not None else row.name
        row.configuration = configuration if configuration is not None else row.configuration
        self._touch(row)
        return await self._graph(row, issues)

    async def validate(self, graph: int | str) -> Sequence[GraphIssue]:
        """Return the errors and warnings of the current version; changes nothing."""
        row = await find_graph(self._session, self._scope, graph)
        draft, published = await self._draft_and_published(row)
        current = draft or published
        assert current is not None
        model = Definition.model_validate(current.definition)
        return [*validate(model, self._context), *await triggers.clashes(self._session, current.definition, row.id)]

    async def publish(self, graph: int | str) -> Graph:
        """Publish the draft; the version that was published before is archived, its executions go on.

        Raises:
            BadRequest: there is no draft.
            InvalidInput: the draft is not valid; ``extra`` has ``is_valid`` and ``errors``.
        """
        row = await find_graph(self._session, self._scope, graph, lock=True)
        draft, published = await self._draft_and_published(row)
        if draft is None:
            raise BadRequest("No draft to publish", code="no_draft")
        await self._publish(row, draft, published)
        return await self._graph(row)

    async def set_status(self, graph: int | str, status: GraphStatus) -> Graph:
        """Archive a graph (no new executions; running ones go on) or make it active again.

        Active: publishes the draft when nothing is published.

        Raises:
            InvalidInput: that draft is not valid.
        """
        row = await find_graph(self._session, self._scope, graph, lock=True)
        draft, published = await self._draft_and_published(row)
        if status == "active" and published is None and draft is not None:
            await self._publish(row, draft, None)
        row.status = status
        self._touch(row)
        return await self._graph(row)

    async def _publish(self, row: GraphRow, draft: GraphVersionRow, published: GraphVersionRow | None) -> None:
        issues = validate(Definition.model_validate(draft.definition), self._context)
        if _errors(issues):
            errors = [issue.model_dump() for issue in issues]
            raise InvalidInput(
                "The draft is not valid.", code="invalid_draft", extra={"is_valid": False, "errors": errors}
            )
        if published is not None:
            # First, and alone: the database allows one published version at any moment.
            published.status, published.updated_at = "archived", utc_now()
            await self._session.flush()
        draft.status, draft.published_at, draft.updated_at = "published", utc_now(), utc_now()
        self._touch(row)
        await self._session.flush()
        await self._hold_triggers(row)

    async def _save_draft(
        self, row: GraphRow, draft: GraphVersionRow | None, document: Document
    ) -> Sequence[GraphIssue]:
        issues = await self._issues(document, row.id)
        if draft is None:
            await self._add_version(row, document, await self._last_number(row) + 1, "draft")
            return issues
        draft.definition, draft.digest, draft.node_count = document.raw, document.digest, len(document.model.nodes)
        draft.author, draft.updated_at = self._author, utc_now()
        await self._session.flush()
        await self._hold_triggers(row)
        return issues

    async def _add_version(self, row: GraphRow, document: Document, number: int, status: str) -> None:
        await self._versions.add(
            GraphVersionRow(
                tenant=row.tenant,
                live=row.live,
                graph_id=cast("int", row.id),
                version=number,
                status=status,
                definition=document.raw,
                digest=document.digest,
                node_count=len(document.model.nodes),
                author=self._author,
                published_at=utc_now() if status == "published" else None,
            )
        )
        await self._hold_triggers(row)

    async def _issues(self, document: Document, graph_id: int | None) -> Sequence[GraphIssue]:
        """Validate a definition that is to be saved; a trigger path that is in use cannot be."""
        if clashes := await triggers.clashes(self._session, document.raw, graph_id):
            raise triggers.clash(clashes)
        return validate(document.model, self._context)

    async def _hold_triggers(self, row: GraphRow) -> None:
        versions = [version for version in await self._draft_and_published(row) if version is not None]
        await triggers.hold(self._session, row, [version.definition for version in versions])

    async def _draft_and_published(self, row: GraphRow) -> tuple[GraphVersionRow | None, GraphVersionRow | None]:
        draft = await find_version(self._session, self._scope, row, "draft")
        return draft, await find_version(self._session, self._scope, row, "published")

    async def _last_number(self, row: GraphRow) -> int:
        query = select(func.max(col(GraphVersionRow.version))).where(col(GraphVersionRow.graph_id) == row.id)
        return (await self._session.execute(query)).scalar_one() or 0

    async def _runs(self, graph_id: int | None = None) -> dict[int, int]:
        """Return the number of executions of each graph, or of one."""
        run = ExecutionRow
        filters = [] if graph_id is None else [col(run.graph_id) == graph_id]
        query = select(col(run.graph_id), func.count()).where(
            *Repository(self._session, ExecutionRow).owned(self._scope), *filters
        )
        return dict((await self._session.execute(query.group_by(col(run.graph_id)))).all())

    async def _graph(self, row: GraphRow, issues: Sequence[GraphIssue] = ()) -> Graph:
        await self._session.flush()
        draft, published = await self._draft_and_published(row)
        current = draft or published
        assert current is not None
        runs = await self._runs(row.id)
        held = select(col(GraphTriggerRow.path)).where(col(GraphTriggerRow.graph_id) == row.id)
        return Graph(
            summary=GraphSummary.of(row, current.node_count, runs.get(current.graph_id, 0)),
            configuration=row.configuration,
            current=GraphVersion.of(current, row.uuid),
            published=GraphVersion.of(published, row.uuid) if published else None,
            trigger_paths=sorted((await self._session.execute(held)).scalars()),
            issues=tuple(issues),
        )

    @staticmethod
    def _touch(row: GraphRow) -> None:
        row.revision, row.updated_at = row.revision + 1, utc_now()


def _errors(issues: Sequence[GraphIssue]) -> bool:
    return any(issue.severity == "error" for issue in issues)


def _expect(what: str, expected: int | None, current: int) -> None:
    if expected is not None and expected != current:
        raise Conflict(
            f"The workflow is at {what} {current}, not {expected}.",
            code="stale_version",
            extra={f"expected_{what}": expected, f"current_{what}": current},
        )


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        message = f"must be 1 to {MAX_NAME} characters, none of them a control character"
        raise InvalidInput("The name is not valid.", errors=[FieldError("/name", message)])
    return name
