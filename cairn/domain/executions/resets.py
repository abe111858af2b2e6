"""Replay and rollback: from what a caller asks for to the durable reset."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from cairn import errors
from cairn.contracts.executions import Phase, ResetRequest
from cairn.contracts.json import digest
from cairn.domain.executions.model import ResetCommand, ResetResult
from cairn.domain.executions.patches import check_patches
from cairn.domain.executions.reset_records import compensations_of
from cairn.domain.executions.service import ExecutionService, found
from cairn.temporal.checkpoints import Checkpoint, Projection
from cairn.temporal.executions import Description
from cairn.temporal.resets import ResetClient

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
        handle = await self.client.open(row.temporal_id, asked)
        if handle is None and not (operation_id and await self.client.made(now, operation_id, ever=again)):
            handle = await self.client.begin(await self._request(row.id, now, command, asked, operation_id))
        # Nothing was written since the commit: the connection is free for others while this one waits.
        await self.executions.session.rollback()
        if handle is not None:
            compensations = (await self.client.outcome(handle, WAIT)).compensations
        else:
            compensations = await compensations_of(self.executions.session, operation_id or "")
        return ResetResult(await self.executions.get(execution_id), compensations)

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
        await self._check_patches(now, projection, command, checkpoint)
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

    async def _check_patches(
        self, now: Description, projection: Projection, command: ResetCommand, checkpoint: Checkpoint
    ) -> None:
        """Refuse patches that would break a schema before anything is reset."""
        if command.input_patch is None and command.state_patch is None:
            return
        snapshot = await self.executions.temporal.state_at(now, checkpoint)
        if snapshot is None:
            return
        check_patches(projection.engine.graph, snapshot, command.input_patch, command.state_patch)


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
    projection.engine.check_revision(command.expected_revision)
    if command.kind == "replay" and now.phase is Phase.RUNNING and not command.force:
        raise errors.Conflict("The execution is running; pause it first, or send force: true", code="execution_running")
    if not checkpoint.resettable:
        raise errors.Conflict(
            "The checkpoint cannot be reset to yet: no worker has taken note of it",
            code="checkpoint_not_settled",
            retry_after=1.0,
        )
