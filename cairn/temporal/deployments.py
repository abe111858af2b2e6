"""Versions of the workers: which there are, and which one new executions go to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.enums.v1 import TaskQueueType, WorkerDeploymentVersionStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig, WorkflowInstance, WorkflowInstanceDetails

from cairn import errors
from cairn.settings import Settings
from cairn.temporal.blob_owners import OwningWorkflowRunner
from cairn.temporal.connection import RPC_TIMEOUT, answered, is_unknown
from cairn.temporal.versions import own_version
from workflows.registry import UPGRADED

Status = Literal["created", "inactive", "current", "ramping", "draining", "drained", "unspecified"]

_SET_TIMEOUT = timedelta(seconds=15)  # the server tells every task queue of the deployment
_PREFIX = "WORKER_DEPLOYMENT_VERSION_STATUS_"
_REFUSED = (
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.PERMISSION_DENIED,
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the workers.

    Attributes:
        build_id: what its workers were started with.
        status: ``current``: new executions go there; ``ramping``: ``percentage`` of them; ``draining``: executions
            that are pinned to it still run, so its workers have to stay; ``drained``: its workers can go.
        percentage: of new executions, while it ramps.
        created_at: when its first worker came.
        running: executions that are pinned to it and have not ended.
    """

    build_id: str
    status: Status
    percentage: float | None
    created_at: datetime
    running: int


def worker_config(settings: Settings) -> WorkerDeploymentConfig | None:
    """Return how a worker takes part in Worker Versioning; None: it does not.

    What is not in ``UPGRADED`` is pinned: an execution ends with the version that began it.
    """
    version = own_version(settings)
    if version is None:
        return None
    return WorkerDeploymentConfig(
        version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
    )


def workflow_runner(settings: Settings) -> OwningWorkflowRunner:
    """Return what a worker runs workflows with.

    Workflows import pure code alone (an architecture test is the guard); what the sandbox would cost, and how to
    measure it, is in docs/benchmarks/tuning.md.
    """
    return _VersionedWorkflowRunner() if settings.build_id else OwningWorkflowRunner()


class _VersionedWorkflowRunner(OwningWorkflowRunner):
    """Tells the server which workflows follow the current version."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make the instance of a run."""
        if det.defn.cls in UPGRADED:
            det = replace(det, defn=replace(det.defn, versioning_behavior=VersioningBehavior.AUTO_UPGRADE))
        return super().create_instance(det)


class DeploymentClient:
    """The deployment that the settings name."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the process's client."""
        self.client = client
        self.settings = settings
        self.name = settings.deployment_name

    async def versions(self) -> list[Version]:
        """Return the deployment's versions, newest first; none when no worker of it ever polled.

        Raises:
            Unavailable: Temporal does not answer.
        """
        found = await self._describe()
        if found is None:
            return []
        made = [await self._version(found, summary) for summary in found.version_summaries]
        return sorted(made, key=lambda version: version.created_at, reverse=True)

    async def set_current(self, build_id: str | None, *, allow_no_pollers: bool = False) -> None:
        """Have new executions begin with a version, and upgrade what is not pinned.

        Args:
            build_id: of the version; None: the workers without a version.
            allow_no_pollers: also when none of its workers polls.

        Raises:
            Conflict: there is no such version, or none of its workers polls.
            Unavailable: Temporal does not answer.
        """
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self.client.namespace,
            deployment_name=self.name,
            build_id=build_id or "",
            allow_no_pollers=allow_no_pollers,
            identity=self.client.identity,
        )
        await self._set(
            self.client.workflow_service.set_worker_deployment_current_version(request, timeout=_SET_TIMEOUT)
        )

    async def ramp(self, build_id: str, percentage: float) -> None:
        """Send a part of the new executions to a version; 0 takes the ramp back.

        Args:
            build_id: of the version.
            percentage: 0 to 100.

        Raises:
            Conflict: there is no such version, it is current, or none of its workers polls.
            Unavailable: Temporal does not answer.
        """
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self.client.namespace,
            deployment_name=self.name,
            build_id=build_id if percentage else "",
            percentage=percentage,
            identity=self.client.identity,
        )
        await self._set(
            self.client.workflow_service.set_worker_deployment_ramping_version(request, timeout=_SET_TIMEOUT)
        )

    async def ensure_current(self, within: timedelta = timedelta(seconds=30)) -> bool:
        """Make this worker's version the current one if the task queue never had one; say whether that was done.

        Nobody would take up new executions otherwise, and there is nothing that a first version could break.

        Raises:
            Conflict: the server refuses, or did not hear of this worker in time.
            Unavailable: Temporal does not answer.
        """
        own = own_version(self.settings)
        if own is None or await self._decided():
            return False
        known = await self._known(own.build_id, within)
        if known.routing_config.HasField("current_version_changed_time"):
            return False  # the task queue hears of it a moment after the deployment
        await self.set_current(own.build_id)
        return True

    async def _known(self, build_id: str, within: timedelta) -> WorkerDeploymentInfo:
        """Wait until the server knows a version: from the first poll of one of its workers on."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while True:
                    found = await self._describe()
                    if found and build_id in {each.deployment_version.build_id for each in found.version_summaries}:
                        return found
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise errors.Conflict(f"Temporal has not heard of version {build_id!r} of {self.name!r}") from error

    async def _decided(self) -> bool:
        """Whether somebody ever said which version the task queue's new executions go to."""
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self.settings.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        found = await answered(self.client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT))
        return found.versioning_info.update_time.seconds > 0  # never: the year 1, or 1970

    async def _describe(self) -> WorkerDeploymentInfo | None:
        request = DescribeWorkerDeploymentRequest(namespace=self.client.namespace, deployment_name=self.name)
        try:
            reply = await answered(
                self.client.workflow_service.describe_worker_deployment(request, timeout=RPC_TIMEOUT)
            )
        except RPCError as error:
            if is_unknown(error):
                return None
            raise
        return reply.worker_deployment_info

    async def _version(
        self, found: WorkerDeploymentInfo, summary: WorkerDeploymentInfo.WorkerDeploymentVersionSummary
    ) -> Version:
        build_id = summary.deployment_version.build_id
        routing = found.routing_config
        ramping = routing.ramping_deployment_version.build_id == build_id
        query = f"TemporalWorkerDeploymentVersion = '{self.name}:{build_id}' AND ExecutionStatus = 'Running'"
        counted = await answered(self.client.count_workflows(query, rpc_timeout=RPC_TIMEOUT))
        status = WorkerDeploymentVersionStatus.Name(summary.status).removeprefix(_PREFIX).lower()
        return Version(
            build_id=build_id,
            status=cast("Status", status),
            percentage=routing.ramping_version_percentage if ramping else None,
            created_at=summary.create_time.ToDatetime(tzinfo=UTC),
            running=counted.count,
        )

    async def _set(self, call: Awaitable[object]) -> None:
        try:
            await answered(call, within=_SET_TIMEOUT)
        except RPCError as error:
            if error.status in _REFUSED:
                raise errors.Conflict(f"Temporal refuses: {error.message}", code="deployment_refused") from error
            raise
