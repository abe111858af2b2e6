"""Forks: a new execution that starts from a checkpoint of another one, which goes on."""

from __future__ import annotations

import uuid

from cairn import errors
from cairn.contracts.executions import execution_tag
from cairn.domain.executions.model import ForkExecution, StartExecution
from cairn.domain.executions.patches import check_patches, patched
from cairn.domain.executions.resets import named_checkpoint
from cairn.domain.executions.service import ExecutionService
from cairn.domain.executions.start import SEED_BODY, check_command
from cairn.domain.usage import require_budget
from cairn.domain.usage.model import user_of
from cairn.persistence.tables import ExecutionRow


async def fork(
    executions: ExecutionService, execution_id: str, command: ForkExecution, resource_id: str | None = None
) -> ExecutionRow:
    """Insert the row of a fork. After the commit, ``ExecutionService.start`` is to be called with it.

    Args:
        executions: of the caller.
        execution_id: the execution to fork.
        command: what is asked for.
        resource_id: the id that a crashed try of the same request had taken.

    Raises:
        NotFound: no such execution, or its line has no such checkpoint.
        Conflict: the execution has not started, cannot be forked, or the new id is taken.
        InvalidInput: a patch breaks the graph's schema.
        Unavailable: Temporal does not answer.
    """
    if resource_id is not None and (existing := await executions.find(resource_id)) is not None:
        return existing
    source, now = await executions.located(execution_id)
    projection = await executions.temporal.project(now)
    checkpoint = named_checkpoint(projection, command.checkpoint_id, command.checkpoint_name)
    snapshot = await executions.temporal.state_at(now, checkpoint)
    if snapshot is None:
        raise errors.Conflict("The state at the checkpoint cannot be read", code="not_forkable")
    ref = snapshot.ref
    check_patches(snapshot, command.input_patch, command.state_patch)
    seed = patched(snapshot, command.input_patch, command.state_patch)
    chosen = command.execution_id
    new_id = resource_id or chosen or f"exec_{uuid.uuid4().hex}"
    metadata = source.metadata_ if command.metadata is None else command.metadata
    check_command(StartExecution(source.workflow_uuid, seed["state"]["input"], metadata, chosen))
    tenant, user_id = executions.principal.tenant, user_of(executions.principal, metadata)
    await require_budget(executions.session, executions.principal.scope, user_id, executions.settings)
    return await executions.add(
        ExecutionRow(
            id=new_id,
            tenant=tenant,
            live=executions.principal.live,
            temporal_id=f"{tenant}.{chosen}" if chosen else new_id,
            tag=execution_tag(tenant, new_id),
            graph_id=source.graph_id,
            workflow_uuid=source.workflow_uuid,
            version_id=ref.version_id,
            version=ref.version,
            digest=ref.digest,
            surface=command.surface,
            user_id=user_id,
            input_data=seed["state"]["input"],
            metadata_=metadata,
            forked_from_execution_id=source.id,
            forked_from_checkpoint_id=checkpoint.id,
            seed={**seed, SEED_BODY: ref.body},
        )
    )
