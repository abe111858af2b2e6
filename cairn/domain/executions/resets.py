"""Replay and rollback: from what a caller asks for to the durable reset."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace

from cairn import errors
from cairn.contracts.executions import Phase
from cairn.contracts.json import JsonObject, digest
from cairn.contracts.resets import ResetRequest
from cairn.domain.executions.ancestry import above, is_awaited, with_ancestors
from cairn.domain.executions.model import ResetCommand, ResetResult
from cairn.domain.executions.patches import check_patches, patched
from cairn.domain.executions.reset_records import compensations_of
from cairn.domain.executions.service import ExecutionService, found
from cairn.graph.commands import check_revision
from cairn.persistence.tables import ExecutionRow
from cairn.temporal.checkpoints import Checkpoint, Projection
from cairn.temporal.executions import Description
from cairn.temporal.resets import ResetClient, ResetHandle

WAIT = 30.0
"""Seconds that a request waits for its reset; the reset itself goes on."""


class ResetService:
    """Resets of one principal's executions."""

    def __init__(self, executions: ExecutionService) -> None:
        """Take the request's executions."""
        self.executions = executions
        self.client = ResetClient(executions.temporal)

    async def reset(
        self, execution_id: str, command: ResetCommand, operation_key: str | None = None, *, again: bool = False
    ) -> ResetResult:
        """Reset the execution to a checkpoint; a replay then goes on, a rollback undoes effects and stays paused.

        Args:
            execution_id: the execution.
            command: what is asked for.
            operation_key: the same key makes one reset however often it is asked. Without one, the same request joins
                a reset that is still under way.
            again: the key was sent before, so its reset may have been made, and even undone by a later one.

        Raises:
            NotFound: no such execution, or its line has no such checkpoint.
            Conflict: the state forbids it, the revision is stale, or another reset is under way.
            InvalidInput: a patch breaks the graph's schema.
            Unavailable: Temporal or the worker does not answer; a reset that was accepted goes on.
        """
        row, now = await self.executions.located(execution_id)
        asked = digest({**asdict(command), "execution": row.temporal_id, "key": operation_key})
        operation_id = f"op_{asked[:32]}" if operation_key else None
        alone = command.kind == "rollback" or await is_awaited(self.executions, row, now)
        places = [row] if alone else await with_ancestors(self.executions, row)
        shown, handle = await self._join(places, asked)
        if shown is None and operation_id:
            shown = await self._made(places, operation_id, again)
        if shown is None:
            request = await self._request(row.id, now, command, asked, operation_id)
            request = request if alone else await self._lifted(row, now, command, request)
            shown, handle = request.execution_id, await self.client.begin(request)
        # Nothing was written since the commit: the connection is free for others while this one waits.
        await self.executions.session.rollback()
        if handle is not None:
            compensations = (await self.client.outcome(handle, WAIT)).compensations
        else:
            compensations = await compensations_of(self.executions.session, operation_id or "")
        return ResetResult(await self.executions.get(shown), compensations)

    async def _join(self, places: list[ExecutionRow], asked: str) -> tuple[str | None, ResetHandle | None]:
        """Return the execution of which this very reset is under way, and its operation."""
        for place in places:
            handle = await self.client.open(place.temporal_id, asked)
            if handle is not None:
                return place.id, handle
        return None, None

    async def _made(self, places: list[ExecutionRow], operation_id: str, again: bool) -> str | None:
        """Return the execution of which this very reset was made."""
        for place in places:
            now = await self.executions.temporal.require(place.temporal_id)
            if await self.client.made(now, operation_id, ever=again):
                return place.id
        return None

    async def _lifted(
        self, row: ExecutionRow, now: Description, command: ResetCommand, request: ResetRequest
    ) -> ResetRequest:
        """Return the reset of an execution above a child that has the child go on from its checkpoint."""
        checkpoint = found(await self.executions.temporal.project(now), request.checkpoint_id)
        snapshot = await self.executions.temporal.state_at(now, checkpoint)
        if snapshot is None:
            raise errors.Conflict("The state at the checkpoint cannot be read", code="not_resettable")
        seed = patched(snapshot, command.input_patch, command.state_patch)
        target = await above(self.executions, row, seed, snapshot.ref)
        projection = await self.executions.temporal.project(target.now)
        _allow(target.now, projection, replace(command, expected_revision=None), target.checkpoint)
        changes: JsonObject = {
            "temporal_id": target.row.temporal_id,
            "execution_id": target.row.id,
            "base_run_id": target.now.run_id,
            "run_id": target.checkpoint.run_id if target.checkpoint.run_id != target.now.run_id else None,
            "checkpoint_id": target.checkpoint.id,
            "checkpoint_name": target.checkpoint.name,
            "reset_event_id": target.checkpoint.point,
            "expected_revision": None,
            "input_patch": None,
            "state_patch": None,
            "seeds": target.seeds,
        }
        return request.model_copy(update=changes)

    async def _request(
        self,
        execution_id: str,
        now: Description,
        command: ResetCommand,
        asked: str,
        operation_id: str | None,
    ) -> ResetRequest:
        projection = await self.executions.temporal.project(now)
        checkpoint = named_checkpoint(projection, command.checkpoint_id, command.checkpoint_name)
        _allow(now, projection, command, checkpoint)
        await self._check_patches(now, command, checkpoint)
        assert checkpoint.point is not None  # _allow has seen to it
        return ResetRequest(
            operation_id=operation_id or f"op_{uuid.uuid4().hex}",
            request_digest=asked,
            temporal_id=now.temporal_id,
            execution_id=execution_id,
            base_run_id=now.run_id,
            run_id=checkpoint.run_id if checkpoint.run_id != now.run_id else None,
            checkpoint_id=checkpoint.id,
            checkpoint_name=checkpoint.name,
            reset_event_id=checkpoint.point,
            kind=command.kind,
            expected_revision=command.expected_revision,
            input_patch=command.input_patch,
            state_patch=command.state_patch,
            requested_by=self.executions.principal.author,
            tenant=self.executions.principal.tenant,
            live=self.executions.principal.live,
            reuse_completed=command.reuse_completed,
        )

    async def _check_patches(self, now: Description, command: ResetCommand, checkpoint: Checkpoint) -> None:
        """Refuse patches that would break a schema before anything is reset."""
        if command.input_patch is None and command.state_patch is None:
            return
        snapshot = await self.executions.temporal.state_at(now, checkpoint)
        if snapshot is None:
            return
        check_patches(snapshot, command.input_patch, command.state_patch)


def named_checkpoint(projection: Projection, checkpoint_id: str | None, name: str | None) -> Checkpoint:
    """Return the checkpoint with the id, else the latest of the name.

    Raises:
        NotFound: the execution's line has none.
    """
    if checkpoint_id is not None:
        return found(projection, checkpoint_id)
    named = [c for c in projection.checkpoints if c.name == name]
    if not named:
        raise errors.NotFound(f"The execution has no checkpoint named {name!r}", code="checkpoint_not_found")
    return named[-1]


def _allow(now: Description, projection: Projection, command: ResetCommand, checkpoint: Checkpoint) -> None:
    check_revision(projection.engine, command.expected_revision)
    if command.kind == "replay" and now.phase is Phase.RUNNING and not command.force:
        raise errors.Conflict("The execution is running; pause it first, or send force: true", code="execution_running")
    if not checkpoint.resettable:
        raise errors.Conflict(
            "The checkpoint cannot be reset to yet: no worker has taken note of it",
            code="checkpoint_not_settled",
            retry_after=1.0,
        )
