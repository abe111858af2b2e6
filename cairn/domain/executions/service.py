"""What callers can do with executions. Services never commit what they write: the caller does, before effects."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import TypeAlias

from sqlalchemy import ColumnElement, bindparam, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn import errors
from cairn.contracts.executions import (
    UPDATE_CANCEL,
    UPDATE_PATCH,
    UPDATE_PAUSE,
    UPDATE_RESUME,
    Cancel,
    Command,
    Patch,
    Pause,
    Phase,
    Resume,
    execution_tag,
)
from cairn.contracts.json import Json, JsonObject
from cairn.domain.calls.view import call_of
from cairn.domain.executions import closing
from cairn.domain.executions.admission import admit, resolve
from cairn.domain.executions.children import children_of, map_items
from cairn.domain.executions.events import ExecutionEvent
from cairn.domain.executions.model import CheckpointState, Children, Execution, ExecutionFilter, StartExecution
from cairn.domain.executions.patches import changes_nothing
from cairn.domain.executions.start import start_workflow
from cairn.domain.executions.story import TokenFeed
from cairn.domain.executions.stream import FROM_THE_BEGINNING, Following, follow
from cairn.domain.executions.view import of_row, repair, told
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.principal import Principal
from cairn.domain.usage import require_budget
from cairn.domain.usage.model import user_of
from cairn.graph.commands import check_revision
from cairn.persistence.json_filter import member_is
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository, caller, owned_by_caller
from cairn.persistence.tables import ExecutionRow
from cairn.settings import Settings
from cairn.temporal.checkpoints import Checkpoint, Projection
from cairn.temporal.connection import TEMPORAL_UNAVAILABLE
from cairn.temporal.executions import Description, ExecutionClient

CommandOf: TypeAlias = Callable[[str], Command]
"""Makes the command for a line of the execution."""

_OPEN = (Phase.RUNNING, Phase.PAUSED)
_BY_ID = select(ExecutionRow).where(*owned_by_caller(ExecutionRow), col(ExecutionRow.id) == bindparam("id"))


class ExecutionService:
    """Executions of one principal, within one session."""

    def __init__(
        self, session: AsyncSession, temporal: ExecutionClient, principal: Principal, settings: Settings
    ) -> None:
        """Take the request's session and principal."""
        self.session = session
        self.temporal = temporal
        self.principal = principal
        self.settings = settings
        self.rows = Repository(session, ExecutionRow)
        self._resolved: dict[int, GraphVersion] = {}

    async def create(
        self,
        command: StartExecution,
        resource_id: str | None = None,
        version: GraphVersion | None = None,
        *,
        by_itself: bool = False,
        alone: bool = False,
    ) -> ExecutionRow:
        """Insert the execution's row. After the commit, ``start`` is to be called with it.

        Args:
            command: what is asked for.
            resource_id: the id that a crashed try of the same request had taken.
            version: what ``resolve`` returned for the command; None to have it resolved here.
            by_itself: nobody waits for an answer: over the budget it starts all the same, and pauses at a model.
            alone: nothing else is written with the row, which then is committed at once.

        Raises:
            RateLimited: the monthly budget is used up (``budget_exceeded``).
            NotFound: no such graph.
            Conflict: the graph has no published version or cannot be run, or the id is taken.
            InvalidInput: the input breaks the graph's schema, or the metadata their limits.
        """
        if resource_id is not None:
            existing = await self.find(resource_id)
            if existing is not None:
                return existing
        user_id = user_of(self.principal, command.metadata)
        if version is None and not by_itself:
            version = await admit(self.session, self.principal.scope, command, user_id, self.settings)
            self._resolved[version.id] = version
        elif not by_itself:
            await require_budget(self.session, self.principal.scope, user_id, self.settings)
        version = version or await self.resolve(command)
        chosen = command.execution_id
        execution_id = resource_id or chosen or f"exec_{uuid.uuid4().hex}"
        return await self.add(
            ExecutionRow(
                id=execution_id,
                tenant=self.principal.tenant,
                live=self.principal.live,
                temporal_id=f"{self.principal.tenant}.{chosen}" if chosen else execution_id,
                tag=execution_tag(self.principal.tenant, execution_id),
                **version.pin,
                surface=command.surface,
                user_id=user_id,
                input_data=command.input_data,
                metadata_=command.metadata,
            ),
            alone=alone,
        )

    async def add(self, row: ExecutionRow, *, alone: bool = False) -> ExecutionRow:
        """Insert a row; ``alone`` as of ``create``.

        Raises:
            Conflict: its id is taken; the transaction is lost.
        """
        try:
            return await (self.rows.add_alone(row) if alone else self.rows.add(row))
        except IntegrityError as error:
            raise errors.Conflict(f"The execution id {row.id!r} is taken", code="execution_exists") from error

    async def resolve(self, command: StartExecution) -> GraphVersion:
        """Return the version that an execution would be pinned to if it were started now.

        Raises:
            NotFound, Conflict, InvalidInput: as of ``create``.
        """
        version = await resolve(self.session, self.principal.scope, command)
        self._resolved[version.id] = version
        return version

    async def start(self, row: ExecutionRow) -> Execution:
        """Start the row's workflow, once however often it is asked; to be called after the row's commit.

        With Temporal unreachable the row stays pending and the reconciler starts it when Temporal is back.

        Raises:
            Unavailable: the database does not answer; the same request, sent again, goes on.
        """
        try:
            await start_workflow(self.temporal, self.session, row, self._resolved.get(row.version_id))
        except errors.Unavailable as error:
            if error.code != TEMPORAL_UNAVAILABLE:
                raise
        return self._of_row(row)

    async def list(
        self, which: ExecutionFilter, page: int, page_size: int, anchor: int | None = None
    ) -> Page[Execution]:
        """Return a page of executions, newest first.

        Args:
            which: conditions.
            page: from 1.
            page_size: executions a page.
            anchor: the first page's; keeps what was started since then from shifting the others.
        """
        columns = (ExecutionRow.created_at,)
        found = await self.rows.page(
            self.principal.scope,
            *await self._conditions(which),
            key=ExecutionRow.key,
            order=columns,
            page=page,
            page_size=page_size,
            anchor=anchor,
        )
        return found.map(self._of_row)

    async def get(self, execution_id: str) -> Execution:
        """Return the execution as Temporal has it, checkpoints included; repairs the row.

        Raises:
            NotFound: no such execution.
            Unavailable: Temporal does not answer.
        """
        row = await self.require(execution_id)
        await self.session.commit()  # only read so far: the connection is free while Temporal is asked
        now = await closing.describe(self.temporal, row)
        if now is None:
            # The start has not reached Temporal yet, or retention has removed the execution: the row is what is left.
            return self._of_row(row, checkpoints=[])
        projection = await self.temporal.project(now)
        detail = await self._waiting(now) if now.waiting else None
        if not closing.is_closing(row, now):
            await self._repair(row, told(row, now, projection))
        shown = self._of_row(row, checkpoints=projection.checkpoints, detail=detail)
        return replace(shown, children=await self._children(row, projection), call=call_of(projection))

    async def pause(self, execution_id: str, revision: int | None = None, key: str | None = None) -> Execution:
        """Stop before the next node; activities in flight end and are kept. A paused execution stays as it is.

        Args:
            execution_id: the execution.
            revision: refuse unless it is at this one.
            key: the same key is carried out once in a line of the execution.
        """
        return await self.command(
            execution_id, UPDATE_PAUSE, lambda lineage: Pause(lineage=lineage, expected_revision=revision), key
        )

    async def resume(self, execution_id: str, revision: int | None = None, key: str | None = None) -> Execution:
        """Go on. A running execution stays as it is. Arguments as of ``pause``."""
        return await self.command(
            execution_id, UPDATE_RESUME, lambda lineage: Resume(lineage=lineage, expected_revision=revision), key
        )

    async def patch(
        self, execution_id: str, input_patch: Json, state_patch: Json, expected_revision: int | None = None
    ) -> Execution:
        """Change input or state of a paused execution by RFC 7396 merge patches; none is no command."""
        row, now = await self.located(execution_id)
        projection = await self.temporal.project(now)
        if now.phase is Phase.PAUSED and changes_nothing(projection, input_patch, state_patch):
            check_revision(projection.engine, expected_revision)
            return await self.get(row.id)
        return await self.command(
            execution_id,
            UPDATE_PATCH,
            lambda lineage: Patch(
                lineage=lineage,
                expected_revision=expected_revision,
                input_patch=input_patch,
                state_patch=state_patch,
            ),
        )

    async def cancel(self, execution_id: str, revision: int | None = None, key: str | None = None) -> Execution:
        """End as cancelled. A cancelled execution stays as it is. Arguments as of ``pause``.

        Raises:
            Conflict: it ended otherwise, or the revision is stale.
        """
        row, now = await self.located(execution_id)
        if now.phase is Phase.CANCELLED:
            return await self.get(row.id)
        return await self.command(
            execution_id, UPDATE_CANCEL, lambda lineage: Cancel(lineage=lineage, expected_revision=revision), key
        )

    async def checkpoint(self, execution_id: str, checkpoint_id: str) -> CheckpointState:
        """Return a checkpoint with the state at it.

        Raises:
            NotFound: no such execution, or its line has no such checkpoint (any more).
        """
        row, now = await self.located(execution_id)
        projection = await self.temporal.project(now)
        checkpoint = found(projection, checkpoint_id)
        state = await self.temporal.state_at(now, checkpoint)
        if state is None:
            raise errors.NotFound("The checkpoint's state cannot be read")
        return CheckpointState(row.id, checkpoint, state.input, state.state, state.outputs)

    async def checkpoints(self, execution_id: str, limit: int, offset: int) -> tuple[list[Checkpoint], int]:
        """Return a stretch of the execution's checkpoints, oldest first, and how many there are."""
        _, now = await self.located(execution_id)
        every = (await self.temporal.project(now)).checkpoints
        return every[offset : offset + limit], len(every)

    async def events(
        self, execution_id: str, how: Following = FROM_THE_BEGINNING, feed: TokenFeed | None = None
    ) -> AsyncGenerator[ExecutionEvent]:
        """Return the execution's events as they come; arguments as of ``follow``.

        Raises:
            NotFound: no such execution.
            Conflict: it has not reached Temporal yet.
            Unavailable: Temporal does not answer.
        """
        row = await self.require(execution_id)
        if feed is None or not feed.stories.tells(row.temporal_id):
            row, _ = await self.located(execution_id)
        return follow(self.temporal, row.temporal_id, row.id, how, feed)

    async def require(self, execution_id: str) -> ExecutionRow:
        """Return the execution's row.

        Raises:
            NotFound: this tenant has no such execution.
        """
        row = await self.find(execution_id)
        if row is None:
            raise errors.NotFound(f"No execution {execution_id!r}", code="execution_not_found")
        return row

    async def located(self, execution_id: str) -> tuple[ExecutionRow, Description]:
        """Return the execution's row and what Temporal says of it.

        Raises:
            NotFound: no such execution, or one that Temporal knows no more (``history_removed``).
            Conflict: it has not reached Temporal yet.
            Unavailable: Temporal does not answer.
        """
        row = await self.require(execution_id)
        await self.session.commit()  # only read so far: the connection is free while Temporal is asked
        now = await self.temporal.describe(row.temporal_id)
        if now is None and row.status != "pending":  # removed by retention, or lost: after a restore, say
            raise errors.NotFound("Temporal does not have the execution's history any more", code="history_removed")
        if now is None:
            raise errors.Conflict("The execution is not in Temporal yet", code="not_started", retry_after=1.0)
        return row, now

    async def command(self, execution_id: str, name: str, make: CommandOf, key: str | None = None) -> Execution:
        """Send a command to an open execution, once a key, and return what it then is.

        Raises:
            NotFound: no such execution.
            Conflict: it has ended, or the command does not fit.
            Unavailable: Temporal or the worker does not answer.
        """
        row, now = await self.located(execution_id)
        if now.phase in _OPEN:
            await self.temporal.command(now, name, make(now.run_id), update_id=key)
        elif key is None or not await self.temporal.carried_out(now, key):
            raise errors.Conflict(f"The execution is {now.phase}", code="execution_closed")
        return await self.get(row.id)

    async def find(self, execution_id: str) -> ExecutionRow | None:
        """Return the execution's row, None when this tenant has no such execution."""
        values = {**caller(self.principal.scope), "id": execution_id}
        return (await self.session.execute(_BY_ID, values)).scalar_one_or_none()

    async def _conditions(self, which: ExecutionFilter) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [col(ExecutionRow.parent_execution_id) == which.parent_execution_id]
        if which.workflow_id is not None:
            by_number = which.workflow_id.isdecimal() and len(which.workflow_id) < 19
            number = int(which.workflow_id) if by_number else -1
            conditions.append(
                or_(col(ExecutionRow.workflow_uuid) == which.workflow_id, col(ExecutionRow.graph_id) == number)
            )
        if which.status == "running":
            conditions.append(col(ExecutionRow.status).in_(["pending", "running"]))
        elif which.status is not None:
            conditions.append(col(ExecutionRow.status) == which.status)
        for key, value in which.metadata.items():
            conditions.append(member_is(col(ExecutionRow.metadata_), key, value))
        if which.created_after is not None:
            conditions.append(col(ExecutionRow.created_at) >= which.created_after)
        if which.created_before is not None:
            conditions.append(col(ExecutionRow.created_at) <= which.created_before)
        return conditions

    async def _repair(self, row: ExecutionRow, values: JsonObject) -> None:
        """Repair the row, unless it was written since it was read; either way it then shows what was told."""
        seen = row.updated_at
        if all(getattr(row, name) == value for name, value in values.items()):
            return
        fresh = await self.rows.get(self.principal.scope, col(ExecutionRow.key) == row.key, lock=True)
        if fresh is not None and fresh.updated_at != seen:
            self.session.expunge(row)
        await repair(self.session, row, values)

    async def _waiting(self, now: Description) -> str:
        if now.pinned is not None and not await self.temporal.polled(now.pinned):
            return f"no worker of version {now.pinned.build_id!r} polls the task queue"
        polled = await self.temporal.polled()
        return "no worker polls the task queue, or all are busy" if polled else "no worker polls the task queue"

    async def _children(self, row: ExecutionRow, projection: Projection) -> dict[str, Children]:
        return await children_of(self.session, self.principal.scope, row.id, map_items(projection))

    def _of_row(
        self, row: ExecutionRow, checkpoints: list[Checkpoint] | None = None, detail: str | None = None
    ) -> Execution:
        shown = of_row(row, self.settings, self.temporal.client.namespace)
        if checkpoints is None:
            return shown
        return replace(shown, checkpoints=checkpoints, status_detail=detail or shown.status_detail)


def found(projection: Projection, checkpoint_id: str) -> Checkpoint:
    """Return the checkpoint of the execution's present line.

    Raises:
        NotFound: the line has none with this id; a reset may have discarded it.
    """
    checkpoint = projection.find(checkpoint_id)
    if checkpoint is None:
        raise errors.NotFound(f"The execution has no checkpoint {checkpoint_id!r}", code="checkpoint_not_found")
    return checkpoint
