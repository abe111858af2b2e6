"""An execution as Temporal describes it at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState, PendingWorkflowTaskState
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.common import WorkerDeploymentVersion

from cairn.contracts.executions import Phase

_TAKEN_WITHIN = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Description:
    """An execution as Temporal describes it at this moment.

    Attributes:
        run_id: the current run; as long as no reset comes it is also the lineage.
        phase: from Temporal's own status when closed, else from the search attribute that the workflow keeps.
        detail: why it is paused.
        revision: +1 for each accepted command or observed reset.
        length: number of events in the run's history.
        closed_at: when the run ended.
        waiting: some work of it has waited for a worker for a while.
        pinned: the version of the workers that alone may go on with it.
        first_run_id: the run in which the execution began, whatever resets and new runs have followed.
    """

    temporal_id: str
    run_id: str
    phase: Phase
    detail: str | None
    revision: int
    length: int
    closed_at: datetime | None
    waiting: bool = False
    pinned: WorkerDeploymentVersion | None = None
    first_run_id: str | None = None

    @property
    def untouched(self) -> bool:
        """Whether it is still in its first run, and has accepted no command."""
        return not self.revision and self.first_run_id == self.run_id


def waits_for_worker(raw: DescribeWorkflowExecutionResponse) -> bool:
    """Whether a task of the workflow has been offered to workers for longer than they need to take one."""
    offered: list[Timestamp] = []
    if raw.pending_workflow_task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
        offered.append(raw.pending_workflow_task.scheduled_time)
    scheduled = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    offered += [pending.scheduled_time for pending in raw.pending_activities if pending.state == scheduled]
    now = datetime.now(UTC)
    return any(now - at.ToDatetime(tzinfo=UTC) > _TAKEN_WITHIN for at in offered)
