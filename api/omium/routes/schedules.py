"""Schedules: executions that are started at times."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.kit.auth import may
from api.kit.deps import Schedules
from api.kit.links import makes
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.omium.schemas.schedules import (
    Backfill,
    CreateSchedule,
    PatchSchedule,
    Pause,
    Schedule,
    ScheduleList,
    Trigger,
    schedule_list,
)
from cairn.domain.schedules.model import ScheduleFilter

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"], route_class=SurfaceRoute)
READ, WRITE = may("schedules:read"), may("schedules:write")
NO_NOTE, AS_IT_IS = Pause(), Trigger()


async def schedule_filter(
    workflow_id: Annotated[str | None, Query(max_length=255, description="Id or uuid of the graph.")] = None,
    paused: Annotated[bool | None, Query()] = None,
) -> ScheduleFilter:
    """Return what the query asks for; all filters hold at once."""
    return ScheduleFilter(workflow_id, paused)


@router.get("", dependencies=[READ])
async def list_schedules(
    schedules: Schedules, which: Annotated[ScheduleFilter, Depends(schedule_filter)], paged: Paged
) -> ScheduleList:
    """List schedules, newest first. All filters hold at once."""
    return schedule_list(await schedules.list(which, paged.page, paged.page_size, paged.anchor))


@router.post(
    "",
    status_code=201,
    dependencies=[WRITE],
    responses={
        404: {"description": "There is no such workflow."},
        409: {"description": "No version of the workflow is published."},
    },
    openapi_extra=makes("schedule_id"),
)
async def create_schedule(body: CreateSchedule, schedules: Schedules, unit: Unit) -> Schedule:
    """Start executions of a published graph at times. Each runs the version that is published then."""
    await unit.commit()
    row = await schedules.create(body.command(), unit.resource_id)
    await unit.commit(resource_id=row.id)
    return Schedule.of(await schedules.applied(row))


@router.get("/{schedule_id}", dependencies=[READ])
async def get_schedule(schedule_id: str, schedules: Schedules) -> Schedule:
    """Read a schedule, with its next and its last firings."""
    return Schedule.of(await schedules.get(schedule_id))


@router.patch(
    "/{schedule_id}",
    dependencies=[WRITE],
    responses={409: {"description": "No version of the workflow is published."}},
)
async def patch_schedule(schedule_id: str, body: PatchSchedule, schedules: Schedules, unit: Unit) -> Schedule:
    """Change a schedule; what is left out stays."""
    row = await schedules.change(schedule_id, body.changes())
    await unit.commit()
    return Schedule.of(await schedules.applied(row))


@router.delete("/{schedule_id}", status_code=204, dependencies=[WRITE])
async def delete_schedule(schedule_id: str, schedules: Schedules, unit: Unit) -> None:
    """Delete a schedule. Its executions stay, those that run go on."""
    row = await schedules.mark_deleted(schedule_id)
    await unit.commit()
    await schedules.remove(row)


@router.post("/{schedule_id}/pause", dependencies=[WRITE])
async def pause_schedule(schedule_id: str, schedules: Schedules, unit: Unit, body: Pause = NO_NOTE) -> Schedule:
    """Let it fire no more; its executions go on."""
    await unit.commit()
    row = await schedules.pause(schedule_id, True, body.note)
    await unit.commit(resource_id=schedule_id)
    return Schedule.of(await schedules.applied(row))


@router.post("/{schedule_id}/unpause", dependencies=[WRITE])
async def unpause_schedule(schedule_id: str, schedules: Schedules, unit: Unit, body: Pause = NO_NOTE) -> Schedule:
    """Let it fire again; the times that passed meanwhile are not made up for."""
    await unit.commit()
    row = await schedules.pause(schedule_id, False, body.note)
    await unit.commit(resource_id=schedule_id)
    return Schedule.of(await schedules.applied(row))


@router.post("/{schedule_id}/trigger", dependencies=[WRITE])
async def trigger_schedule(schedule_id: str, schedules: Schedules, unit: Unit, body: Trigger = AS_IT_IS) -> Schedule:
    """Fire now, also while it is paused. The execution is among `recent_runs` some moments later."""
    await unit.commit(resource_id=schedule_id)
    return Schedule.of(await schedules.trigger(schedule_id, body.overlap, unit.operation_key))


@router.post("/{schedule_id}/backfill", dependencies=[WRITE])
async def backfill_schedule(schedule_id: str, body: Backfill, schedules: Schedules, unit: Unit) -> Schedule:
    """Fire for the times of a period in the past. A time that has an execution already gets no second one."""
    await unit.commit(resource_id=schedule_id)
    return Schedule.of(await schedules.backfill(schedule_id, body.start, body.end, body.overlap, unit.operation_key))
