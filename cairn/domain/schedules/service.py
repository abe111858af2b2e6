"""What callers can do with schedules. A row says what is wanted; Temporal's schedule of the same id is made like it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_
from sqlmodel import col

from cairn import errors
from cairn.contracts.schedules import Overlap, Spec
from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.schedules.apply import apply, timetable
from cairn.domain.schedules.model import CreateSchedule, Schedule, ScheduleFilter
from cairn.domain.schedules.spec import wrong_values
from cairn.domain.schedules.view import activity_of, of_row
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository
from cairn.persistence.tables import ScheduleRow
from cairn.persistence.types import utc_now
from cairn.temporal.schedule_client import ScheduleClient


class ScheduleService:
    """Schedules of one principal, within one session. Never commits what it changes: the caller's unit of work does."""

    def __init__(self, executions: ExecutionService, client: ScheduleClient) -> None:
        """Take the request's executions and the process's client."""
        self.executions = executions
        self.session = executions.session
        self.principal = executions.principal
        self.client = client
        self.rows = Repository(self.session, ScheduleRow)

    async def create(self, command: CreateSchedule, resource_id: str | None = None) -> ScheduleRow:
        """Insert the schedule's row. After the commit, ``applied`` is to be called with it.

        Args:
            command: what is asked for.
            resource_id: the id that a crashed try of the same request had taken.

        Raises:
            NotFound: no such graph.
            Conflict: the graph has no published version or cannot be run.
            InvalidInput: the input breaks the graph's schema, or the times or the metadata their rules.
            Unavailable: Temporal does not answer; nothing is written.
        """
        if resource_id is not None and (existing := await self._find(resource_id)) is not None:
            return existing
        version = await self.executions.resolve(
            StartExecution(command.workflow_id, command.input_data, command.metadata)
        )
        _check_times(command.spec)
        await self.session.commit()  # nothing was written: the connection is free while Temporal is asked
        await self.client.reach()
        return await self.rows.add(
            ScheduleRow(
                id=resource_id or f"sched_{uuid.uuid4().hex}",
                tenant=self.principal.tenant,
                live=self.principal.live,
                name=command.name,
                graph_id=version.graph_id,
                workflow_uuid=version.graph_uuid,
                input_data=command.input_data,
                metadata_=command.metadata,
                spec=command.spec.model_dump(mode="json"),
                overlap=command.overlap,
                catchup_window_seconds=command.catchup_window_seconds,
                pause_on_failure=command.pause_on_failure,
                paused=command.paused,
                note=command.note,
                created_by=self.principal.author,
            )
        )

    async def applied(self, row: ScheduleRow) -> Schedule:
        """Make Temporal's schedule like the committed row and show it; what fails now the reconciler does later.

        Raises:
            InvalidInput: Temporal does not take the times; a schedule that was new is gone then.
        """
        try:
            await apply(self.client, self.session, row)
        except errors.Unavailable:
            return of_row(row)
        except errors.InvalidInput:
            if row.applied == 0:
                await self.session.delete(row)
                await self.session.commit()
            raise
        return await self._shown(row)

    async def list(self, which: ScheduleFilter, page: int, page_size: int, anchor: int | None = None) -> Page[Schedule]:
        """Return a page of schedules, newest first. Arguments as of ``ExecutionService.list``."""
        found = await self.rows.page(
            self.principal.scope,
            *self._conditions(which),
            key=ScheduleRow.key,
            order=(ScheduleRow.created_at,),
            page=page,
            page_size=page_size,
            anchor=anchor,
        )
        return found.map(of_row)

    async def get(self, schedule_id: str) -> Schedule:
        """Return the schedule as Temporal has it; mends what a crash left undone.

        Raises:
            NotFound: no such schedule.
            Unavailable: Temporal does not answer.
        """
        row = await self.require(schedule_id)
        if row.applied < row.generation:
            await apply(self.client, self.session, row)
        return await self._shown(row)

    async def change(self, schedule_id: str, changes: Mapping[str, Any]) -> ScheduleRow:
        """Change members of ``CreateSchedule``. After the commit, ``applied`` is to be called with the row.

        Raises:
            NotFound: no such schedule, or no such graph.
            Conflict, InvalidInput: as of ``create``.
            Unavailable: Temporal does not answer; nothing is changed.
        """
        values = dict(changes)
        if "spec" in values:
            _check_times(values["spec"])
        row = await self._followed(schedule_id, values.get("spec"))
        if {"workflow_id", "input_data", "metadata"} & values.keys():
            workflow_id = values.pop("workflow_id", row.workflow_uuid)
            row.input_data = values.pop("input_data", row.input_data)
            row.metadata_ = values.pop("metadata", row.metadata_)
            version = await self.executions.resolve(StartExecution(workflow_id, row.input_data, row.metadata_))
            row.graph_id, row.workflow_uuid = version.graph_id, version.graph_uuid
        if "spec" in values:
            spec: Spec = values.pop("spec")
            row.spec = spec.model_dump(mode="json")
        row.state_asked = row.state_asked or bool({"paused", "note"} & values.keys())
        for name, value in values.items():
            setattr(row, name, value)
        row.generation += 1
        row.updated_at = utc_now()
        return row

    async def pause(self, schedule_id: str, paused: bool, note: str | None) -> ScheduleRow:
        """Let it fire no more, or again. After the commit, ``applied`` is to be called with the row.

        Raises:
            NotFound: no such schedule.
            Unavailable: Temporal does not answer; nothing is changed.
        """
        return await self.change(schedule_id, {"paused": paused, "note": note})

    async def trigger(self, schedule_id: str, overlap: Overlap | None, request_id: str | None) -> Schedule:
        """Fire now, also when it is paused.

        Args:
            schedule_id: the schedule.
            overlap: other than the schedule's own.
            request_id: the same id fires once.

        Raises:
            NotFound: no such schedule.
            Unavailable: Temporal does not answer.
        """
        row = await self._ensured(schedule_id)
        await self.client.trigger(row.id, overlap, request_id)
        return await self._shown(row)

    async def backfill(
        self, schedule_id: str, start: datetime, end: datetime, overlap: Overlap | None, request_id: str | None
    ) -> Schedule:
        """Fire for the times from start to end (both inclusive). A time that has an execution gets no second one.

        Raises:
            NotFound: no such schedule.
            InvalidInput: the period ends before it starts, or in the future.
            Unavailable: Temporal does not answer.
        """
        row = await self.require(schedule_id)
        if end < start:
            raise errors.InvalidInput("The period is empty", errors=[errors.FieldError("/end", "is before start")])
        if end > utc_now():
            raise errors.InvalidInput(
                "The period is not over",
                errors=[errors.FieldError("/end", "is in the future: the schedule fires then")],
            )
        await self._ensured(row.id)
        await self.client.backfill(row.id, start, end, overlap, request_id)
        return await self._shown(row)

    async def mark_deleted(self, schedule_id: str) -> ScheduleRow:
        """Take the schedule away from callers. After the commit, ``remove`` is to be called with the row.

        Raises:
            NotFound: no such schedule.
            Unavailable: Temporal does not answer; nothing is changed.
        """
        await self.require(schedule_id)
        await self.session.commit()  # only read so far: the connection is free while Temporal is asked
        await self.client.reach()
        row = await self.require(schedule_id, lock=True)
        row.deleting = True
        row.updated_at = utc_now()
        return row

    async def remove(self, row: ScheduleRow) -> None:
        """Remove the schedule from Temporal and then its row; what fails now the reconciler does later."""
        await self.session.commit()  # the connection is free while Temporal is asked
        try:
            await self.client.delete(row.id)
        except errors.Unavailable:
            return
        await self.session.delete(row)

    async def require(self, schedule_id: str, *, lock: bool = False) -> ScheduleRow:
        """Return the schedule's row.

        Raises:
            NotFound: this tenant has no such schedule.
        """
        row = await self._find(schedule_id, lock=lock)
        if row is None:
            raise errors.NotFound(f"No schedule {schedule_id!r}", code="schedule_not_found")
        return row

    async def _ensured(self, schedule_id: str) -> ScheduleRow:
        """Return the row of a schedule that Temporal has."""
        row = await self.require(schedule_id)
        await self.session.commit()  # only read so far: the connection is free while Temporal is asked
        if row.applied < row.generation or await self.client.describe(row.id) is None:
            await apply(self.client, self.session, row, lost=True)
        return row

    async def _shown(self, row: ScheduleRow) -> Schedule:
        await self.session.commit()  # the connection is free while Temporal is asked
        seen = await self.client.describe(row.id)
        if seen is None:  # Temporal has lost it, with its database for example
            await apply(self.client, self.session, row, lost=True)
            seen = await self.client.describe(row.id)
        if seen is None:
            return of_row(row)
        if not row.state_asked:
            row.paused, row.note = seen.paused, seen.note
        return of_row(row, await activity_of(self.executions, self.client, seen))

    async def _followed(self, schedule_id: str, spec: Spec | None) -> ScheduleRow:
        """Return the row, locked, for a change, to new times perhaps, that Temporal takes.

        What Temporal or an operator changed is taken over, so that a change of something else keeps it.
        """
        while True:
            asked = await self.require(schedule_id)
            generation = asked.generation
            await self.session.commit()  # only read so far: the connection is free while Temporal is asked
            seen = await self.client.describe(schedule_id)
            if spec is not None:  # refused after the commit, the row would want what cannot be
                await self.client.check(replace(timetable(asked), spec=spec))
            row = await self.require(schedule_id, lock=True)
            if row.generation == generation:  # nobody changed it meanwhile
                break
        if seen is not None and not row.state_asked:
            row.paused, row.note = seen.paused, seen.note
        return row

    async def _find(self, schedule_id: str, *, lock: bool = False) -> ScheduleRow | None:
        there = col(ScheduleRow.id) == schedule_id, col(ScheduleRow.deleting).is_(False)
        return await self.rows.get(self.principal.scope, *there, lock=lock)

    def _conditions(self, which: ScheduleFilter) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [col(ScheduleRow.deleting).is_(False)]
        if which.workflow_id is not None:
            by_number = which.workflow_id.isdecimal() and len(which.workflow_id) < 19
            number = int(which.workflow_id) if by_number else -1
            conditions.append(
                or_(col(ScheduleRow.workflow_uuid) == which.workflow_id, col(ScheduleRow.graph_id) == number)
            )
        if which.paused is not None:
            conditions.append(col(ScheduleRow.paused).is_(which.paused))
        return conditions


def _check_times(spec: Spec) -> None:
    if wrong := wrong_values(spec):
        raise errors.InvalidInput("The schedule's times are not valid", errors=wrong)
