"""Worker Versioning: an execution stays with the version of the workers that began it, beside newer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as DeploymentVersion
from temporalio.api.enums.v1 import VersioningBehavior as Behavior
from temporalio.api.workflow.v1 import (
    PostResetOperation,
    VersioningOverride,
    WorkflowExecutionOptions,
    WorkflowExecutionVersioningInfo,
)
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.common import WorkerDeploymentVersion

from cairn.errors import Conflict
from cairn.settings import Settings
from cairn.temporal.connection import RPC_TIMEOUT, answered

if TYPE_CHECKING:
    from cairn.temporal.executions import Description, ExecutionClient

_OVERRIDE = FieldMask(paths=["versioning_override"])


def own_version(settings: Settings) -> WorkerDeploymentVersion | None:
    """Return the version of this process's code, None while Worker Versioning is off."""
    if not settings.build_id:
        return None
    return WorkerDeploymentVersion(deployment_name=settings.deployment_name, build_id=settings.build_id)


def version_of(found: DeploymentVersion | WorkerDeploymentOptions) -> WorkerDeploymentVersion:
    """Return a version that Temporal names."""
    return WorkerDeploymentVersion(deployment_name=found.deployment_name, build_id=found.build_id)


def pinned_version(info: WorkflowExecutionVersioningInfo) -> WorkerDeploymentVersion | None:
    """Return the version whose workers alone may go on with a workflow, None when any current one may.

    Args:
        info: as Temporal describes the workflow.
    """
    override = info.versioning_override
    if override.HasField("pinned"):
        return version_of(override.pinned.version)
    pinned = info.behavior == Behavior.VERSIONING_BEHAVIOR_PINNED and not override.HasField("auto_upgrade")
    return version_of(info.deployment_version) if pinned else None


async def served(executions: ExecutionClient, now: Description) -> bool:
    """Whether a worker serves the run; one whose pinned version no worker serves is moved to this worker's.

    Raises:
        Conflict: it would have to be moved, but does not replay with this code (``version_not_served``).
        Unavailable: Temporal does not answer.
    """
    override = await override_of(executions, now)
    if override is None:
        return await executions.polled()
    client = executions.client
    await answered(
        client.workflow_service.update_workflow_execution_options(
            UpdateWorkflowExecutionOptionsRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=now.temporal_id, run_id=now.run_id),
                workflow_execution_options=WorkflowExecutionOptions(versioning_override=override),
                update_mask=_OVERRIDE,
            ),
            timeout=RPC_TIMEOUT,
        )
    )
    return True


async def after_reset(executions: ExecutionClient, base: Description, point: int) -> list[PostResetOperation]:
    """Return what Temporal has to do with a reset: it leaves the new run at the version to which the base is pinned.

    Args:
        executions: their client.
        base: the run to reset.
        point: id of the event that the reset goes to.

    Raises:
        Conflict: no worker serves that version, and the history does not replay with this code
            (``version_not_served``).
        Unavailable: Temporal does not answer.
    """
    override = await override_of(executions, base, point)
    if override is None:
        return []
    options = WorkflowExecutionOptions(versioning_override=override)
    update = PostResetOperation.UpdateWorkflowOptions(workflow_execution_options=options, update_mask=_OVERRIDE)
    return [PostResetOperation(update_workflow_options=update)]


async def override_of(
    executions: ExecutionClient, run: Description, before: int | None = None
) -> VersioningOverride | None:
    """Return what moves a run to this worker's version when none serves its own, None when nothing is to be done.

    Args:
        executions: their client.
        run: the run.
        before: id of an event: only what came before it has to replay.

    Raises:
        Conflict: it does not replay (``version_not_served``).
        Unavailable: Temporal does not answer.
    """
    if run.pinned is None or await executions.polled(run.pinned):
        return None
    from cairn.temporal.replay import diverges  # an API process has no use for the SDK's worker

    problem = await diverges(executions.client, run.temporal_id, run.run_id, before)
    if problem is not None:
        raise Conflict(
            f"No worker serves version {run.pinned.build_id!r}, which the execution is pinned to, and its history does "
            f"not replay with the code of this one: {problem}",
            code="version_not_served",
        )
    own = own_version(executions.settings)
    if own is None:
        return VersioningOverride(auto_upgrade=True)
    to = DeploymentVersion(deployment_name=own.deployment_name, build_id=own.build_id)
    forced = VersioningOverride.PinnedOverrideBehavior.PINNED_OVERRIDE_BEHAVIOR_PINNED
    return VersioningOverride(pinned=VersioningOverride.PinnedOverride(behavior=forced, version=to))
