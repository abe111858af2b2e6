"""The activities of the operation ``ResetExecution``: undoing effects, the reset, stopping children, what follows."""

from __future__ import annotations

from temporalio import activity

from activities.failures import final
from activities.guard import heartbeating
from activities.tools import run_tool
from cairn.contracts.operations import AFTER_RESET, MAKE_RESET, ResetMade, ResumeAfterReset
from cairn.contracts.resets import (
    NOTE_FAILED_UNDO,
    PLAN_ROLLBACK,
    STOP_ORPHANS,
    UNDO,
    Compensated,
    PlanRequest,
    ResetOutcome,
    ResetRequest,
    RollbackPlan,
    StopOrphans,
    Stopped,
    UndoCall,
    UndoFailed,
)
from cairn.domain.executions import reset_records
from cairn.domain.executions.rollbacks import Rollbacks
from cairn.domain.tools import ToolContext
from cairn.domain.tools.authored import Toolbox
from cairn.errors import CairnError
from cairn.persistence.session import Database
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.orphans import stop_orphans
from cairn.temporal.resets import ResetClient


class ResetActivities:
    """The activities, over the worker's database, client and tools."""

    def __init__(self, database: Database, executions: ExecutionClient, toolbox: Toolbox) -> None:
        """Take what they work with."""
        self.database = database
        self.executions = executions
        self.toolbox = toolbox
        self.resets = ResetClient(executions)
        self.rollbacks = Rollbacks(database, executions)

    @activity.defn(name=PLAN_ROLLBACK.name)
    async def plan_rollback(self, asked: PlanRequest) -> RollbackPlan:
        """Hold the execution, and find out what its rollback goes back over."""
        try:
            async with heartbeating():
                return await self.rollbacks.plan(asked)
        except CairnError as error:
            raise final(error) from error

    @activity.defn(name=UNDO.name)
    async def undo(self, call: UndoCall) -> Compensated:
        """Call the tool that undoes an effect, unless an earlier rollback has undone it."""
        async with self.database.session() as session:
            undone = await reset_records.was_undone(session, call.request, call.undo)
        if not undone:
            async with heartbeating():
                request, tool = call.request, call.undo.tool
                tools = await self.toolbox.registry_for(request.tenant, request.live, tool)
                await run_tool(tools, tool, call.undo.arguments, _context(call))
        async with self.database.transaction() as session:
            return await reset_records.note_compensation(session, call.request, call.undo)

    @activity.defn(name=NOTE_FAILED_UNDO.name)
    async def note_failed_undo(self, failed: UndoFailed) -> Compensated:
        """Keep that an undo was given up."""
        async with self.database.transaction() as session:
            return await reset_records.note_compensation(session, failed.request, failed.undo, failed.error)

    @activity.defn(name=MAKE_RESET.name)
    async def make_reset(self, request: ResetRequest) -> ResetMade:
        """Reset the execution, once however often this is tried."""
        try:
            async with heartbeating():
                return ResetMade(run_id=await self.resets.make(request))
        except CairnError as error:
            raise final(error) from error

    @activity.defn(name=STOP_ORPHANS.name)
    async def stop_orphans(self, made: StopOrphans) -> Stopped:
        """Cancel the children that the ended line had started after the point."""
        try:
            async with heartbeating():
                return Stopped(temporal_ids=await stop_orphans(self.executions, made.request, activity.heartbeat))
        except CairnError as error:
            raise final(error) from error

    @activity.defn(name=AFTER_RESET.name)
    async def after_reset(self, made: ResumeAfterReset) -> ResetOutcome:
        """Keep who made the reset, wait until it has landed, then do what the request asks for."""
        try:
            async with self.database.transaction() as session:
                await reset_records.note_reset(session, made)
            outcome = await self.resets.finish(made.request, made.run_id, activity.heartbeat)
            async with self.database.transaction() as session:
                await reset_records.note_reset(session, made, outcome)
        except CairnError as error:
            raise final(error) from error
        return outcome.model_copy(update={"compensations": made.compensations})


def _context(call: UndoCall) -> ToolContext:
    request, undo = call.request, call.undo
    execution_id = undo.execution_id or request.execution_id
    return ToolContext(
        idempotency_key=f"{execution_id}/{undo.node_id}/{undo.visit}/{undo.lineage}/undo",
        execution_id=execution_id,
        tenant=request.tenant,
        live=request.live,
        node_id=undo.node_id,
        visit=undo.visit,
        lineage=undo.lineage,
        attempt=activity.info().attempt,
    )
