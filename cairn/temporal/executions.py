"""The client side of executions in Temporal: start, describe, read, command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from temporalio.api.enums.v1 import (
    TaskQueueType,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkerDeploymentVersion, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from cairn import errors
from cairn.contracts.executions import WORKFLOW_TYPE, Accepted, Command, ExecutionInput, Phase
from cairn.contracts.operations import MEMO_DETAIL
from cairn.object_store import open_store
from cairn.settings import Settings
from cairn.temporal.checkpoints import Checkpoint, Projection, Snapshot
from cairn.temporal.connection import (
    RETRY_AFTER,
    RPC_TIMEOUT,
    UnlessUnknown,
    answered,
    is_away,
    is_unknown,
    unavailable,
)
from cairn.temporal.description import Description, waits_for_worker
from cairn.temporal.events import ChildInitiated
from cairn.temporal.impact import Aftermath
from cairn.temporal.kept_runs import KeptRuns
from cairn.temporal.priority import priority_of
from cairn.temporal.projections import Projections
from cairn.temporal.reading import HistoryReader
from cairn.temporal.updates import from_application, ids_in
from cairn.temporal.versions import pinned_version, version_of
from workflows.graph_execution import REVISION, STATE
from workflows.search_attributes import execution_attributes

COMMAND_TIMEOUT = timedelta(seconds=4)
_BUSY = (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.RESOURCE_EXHAUSTED)
"""The server's answers while the execution's workflow tasks fail, as those of a dying worker, or too much is asked."""

_LANDING = ("not_started", "reset_in_progress")
"""Refusals of a run that has not landed yet, which takes some milliseconds: the command is sent again."""

ALL = ""
"""In place of a checkpoint's id: none is captured, and all that ended is told."""

_POLL = timedelta(seconds=70)  # a poll waits for a minute; a poller that is gone is listed for some time

_PHASES = {
    WorkflowExecutionStatus.COMPLETED: Phase.COMPLETED,
    WorkflowExecutionStatus.FAILED: Phase.FAILED,
    WorkflowExecutionStatus.TIMED_OUT: Phase.FAILED,
    WorkflowExecutionStatus.CANCELED: Phase.CANCELLED,
    WorkflowExecutionStatus.TERMINATED: Phase.CANCELLED,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: None,
}
"""What the end of a run is to the execution: None when another run goes on from it."""
_ENDED_PAGE = 100


class Ended(NamedTuple):
    """A run that has ended: ``phase`` is None when another run went on from it."""

    temporal_id: str
    run_id: str
    phase: Phase | None


class ExecutionClient:
    """Executions in Temporal. One a process; it keeps the projections of the runs that were read last."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the process's client."""
        self.client = client
        self.settings = settings
        self.reader = HistoryReader(client)
        kept = KeptRuns(open_store(settings.blobs), client.data_converter.payload_codec, client.namespace)
        self.projections = Projections(self.reader, kept)

    async def start(self, temporal_id: str, start: ExecutionInput, *, name: str) -> str:
        """Start the execution's workflow, once however often it is asked; return the id of its first run.

        Args:
            temporal_id: the workflow id.
            start: its argument.
            name: what operators read in the Web UI.

        Raises:
            Unavailable: Temporal does not answer.
        """
        try:
            handle = await answered(
                self.client.start_workflow(
                    WORKFLOW_TYPE,
                    start,
                    id=temporal_id,
                    task_queue=self.settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    search_attributes=execution_attributes(start),
                    static_summary=f"{name} v{start.graph.version}",
                    priority=priority_of(start.tenant, start.metadata, self.settings),
                    rpc_timeout=RPC_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError as error:
            return error.run_id or (await self.require(temporal_id)).run_id
        return handle.first_execution_run_id or ""

    async def describe(self, temporal_id: str, run_id: str | None = None) -> Description | None:
        """Return the execution as it is now, None when Temporal does not know it.

        Raises:
            Unavailable: Temporal does not answer.
        """
        handle = self.client.get_workflow_handle(temporal_id, run_id=run_id)
        try:
            found = await answered(handle.describe(rpc_timeout=RPC_TIMEOUT))
        except RPCError as error:
            if is_unknown(error):
                return None
            raise
        attributes = found.typed_search_attributes
        state = attributes.get(STATE) or Phase.RUNNING.value
        phase = _PHASES.get(found.status) if found.status else None
        memo = await found.memo()
        return Description(
            temporal_id=temporal_id,
            run_id=found.run_id,
            # The workflow writes its last state just before it ends; until it has ended, it runs.
            phase=phase or (Phase.PAUSED if state == Phase.PAUSED else Phase.RUNNING),
            detail=memo.get(MEMO_DETAIL),
            revision=attributes.get(REVISION) or 0,
            length=found.history_length,
            closed_at=found.close_time,
            waiting=waits_for_worker(found.raw_description),
            pinned=pinned_version(found.raw_info.versioning_info),
            first_run_id=found.raw_info.first_run_id,
        )

    async def require(self, temporal_id: str) -> Description:
        """Return the execution as it is now.

        Raises:
            NotFound: Temporal does not know it.
            Unavailable: Temporal does not answer.
        """
        found = await self.describe(temporal_id)
        if found is None:
            raise errors.NotFound("The execution is not known to Temporal")
        return found

    async def project(self, description: Description) -> Projection:
        """Return the projection of the run as described, reading only what is new since the last time."""
        return await self.projections.of(description)

    async def state_at(self, description: Description, checkpoint: Checkpoint) -> Snapshot | None:
        """Return the state at a checkpoint of the run: the fold of its results in history; None when that is gone."""
        with UnlessUnknown():
            run, _ = await self._captured(description.temporal_id, checkpoint.run_id, checkpoint.id)
            return run.state_at(checkpoint)
        return None

    async def continues(self, description: Description, run_id: str) -> bool:
        """Whether the run as described is a run of the execution, or goes on from it (continue-as-new)."""
        if description.run_id == run_id:
            return True
        return run_id in [projection.run_id for projection in (await self.project(description)).runs]

    async def aftermath(self, description: Description, checkpoint: Checkpoint) -> Aftermath:
        """Return all that happened in the line as described after a checkpoint of it.

        Raises:
            Conflict: Temporal's retention has removed the run of the checkpoint.
        """
        runs = [projection.run_id for projection in (await self.project(description)).runs]
        after = runs[runs.index(checkpoint.run_id) :]
        try:
            captured = [await self._captured(description.temporal_id, run_id, checkpoint.id) for run_id in after]
        except RPCError as error:
            if not is_unknown(error):
                raise
            raise errors.Conflict("Temporal has removed the checkpoint's history", code="not_resettable") from error
        point = checkpoint.event_id if checkpoint.point is None else checkpoint.point
        later = [child for child in captured[0][1] if child.id > point]
        children = [child.temporal_id for child in later + [child for _, found in captured[1:] for child in found]]
        return Aftermath([run for run, _ in captured], checkpoint, children)

    async def all_of(self, description: Description, execution_id: str) -> Aftermath:
        """Return all that happened in the line as described of a child execution, as far back as Temporal knows it."""
        temporal_id, run_id = description.temporal_id, description.run_id
        captured = [await self._captured(temporal_id, run_id, ALL)]
        lost = False
        while not lost and (before := captured[0][0].continued_run_id) is not None:
            try:
                captured.insert(0, await self._captured(temporal_id, before, ALL))
            except RPCError as error:
                if not is_unknown(error):
                    raise
                lost = True
        children = [child.temporal_id for _, found in captured for child in found]
        return Aftermath([run for run, _ in captured], None, children, (execution_id, temporal_id), lost=lost)

    async def _captured(
        self, temporal_id: str, run_id: str, checkpoint_id: str
    ) -> tuple[Projection, list[ChildInitiated]]:
        """Return a projection of a run that knows the state at a checkpoint and all that ended; and whom it started."""
        projection = Projection(capture=checkpoint_id, run_id=run_id)
        events = await self.reader.events(temporal_id, run_id)
        projection.feed(events)
        projection.settle()
        return projection, [event for event in events if isinstance(event, ChildInitiated)]

    async def command(
        self,
        description: Description,
        name: str,
        command: Command,
        *,
        update_id: str | None = None,
    ) -> Accepted:
        """Send a command to the run and return its reply.

        Args:
            description: of the run it is meant for.
            name: of the update.
            command: its argument.
            update_id: the same id is carried out once in a line of the execution.

        Raises:
            Conflict: the execution's state does not allow it, or it is closed.
            InvalidInput: a patch breaks the graph's schema.
            Unavailable: Temporal or the worker does not answer.
        """
        if update_id is not None:
            update_id, said = await self._said_before(description, update_id)
            if said is not None:
                return said
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT.total_seconds()):
                return await self._update(description.temporal_id, name, command, update_id)
        except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
            raise errors.Unavailable(
                "No worker answered the command in time", code="worker_unavailable", retry_after=RETRY_AFTER
            ) from error
        except RPCError as error:
            if error.status in _BUSY:
                raise errors.Unavailable(
                    "The execution takes no command at this moment", code="execution_busy", retry_after=RETRY_AFTER
                ) from error
            if is_away(error):
                raise unavailable(error) from error
            if is_unknown(error):
                raise errors.Conflict("The execution has ended", code="execution_closed") from error
            raise

    async def _update(self, temporal_id: str, name: str, command: Command, update_id: str | None) -> Accepted:
        """Send a command until a run takes it that has landed.

        To no run in particular: the execution may go on in a new one just now. The command says which line it means.
        """
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(temporal_id)
        while True:
            try:
                return await handle.execute_update(
                    name, command, id=update_id, result_type=Accepted, rpc_timeout=COMMAND_TIMEOUT
                )
            except WorkflowUpdateFailedError as error:
                refusal = from_application(error.cause)
                if refusal.code not in _LANDING:
                    raise refusal from error
            await asyncio.sleep(0.05)

    async def carried_out(self, description: Description, update_id: str) -> bool:
        """Whether the line as described has carried out the command with this id; also when it has ended since.

        Raises:
            Unavailable: Temporal does not answer.
        """
        own, said = await self._said_before(description, update_id)
        return (said or await self._said(description.temporal_id, description.run_id, own)) is not None

    async def _said_before(self, description: Description, update_id: str) -> tuple[str, Accepted | None]:
        """Return the id that a command has in the line as described, and what was said to it in another run or line.

        Of what was said the part counts that the line keeps. Temporal looks at one run, and for one id, alone.
        """
        if description.untouched:
            return update_id, None
        line = await self.project(description)
        ids = ids_in(line, update_id)
        for run in line.runs:
            for each in run.updates.intersection(ids):
                if (run.run_id, each) != (description.run_id, ids[-1]):
                    return ids[-1], await self._said(description.temporal_id, run.run_id, each)
        return ids[-1], None

    async def _said(self, temporal_id: str, run_id: str, update_id: str) -> Accepted | None:
        """Return what a run said to a command; None when it never came or was refused."""
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(temporal_id, run_id=run_id)
        update = handle.get_update_handle(update_id, workflow_run_id=run_id, result_type=Accepted)
        try:
            return await answered(update.result(rpc_timeout=RPC_TIMEOUT))
        except WorkflowUpdateFailedError:
            return None
        except RPCError as error:
            if is_unknown(error):
                return None
            raise

    async def polled(self, version: WorkerDeploymentVersion | None = None) -> bool:
        """Whether a worker polls the task queue for workflows.

        Args:
            version: only workers of this version count.

        Raises:
            Unavailable: Temporal does not answer.
        """
        reply = await answered(
            self.client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=self.client.namespace,
                    task_queue=TaskQueue(name=self.settings.task_queue),
                    task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                ),
                timeout=RPC_TIMEOUT,
            )
        )
        now = datetime.now(UTC)
        return any(
            now - poller.last_access_time.ToDatetime(tzinfo=UTC) < _POLL
            for poller in reply.pollers
            if version is None or version == version_of(poller.deployment_options)
        )

    async def closed_since(self, since: datetime) -> AsyncIterator[Ended]:
        """Yield the runs of executions that ended after a time.

        Raises:
            Unavailable: Temporal does not answer.
        """
        for status, phase in _PHASES.items():
            async for run in self._latest_ended(status):
                if run.close_time.ToDatetime(tzinfo=UTC) <= since:
                    break
                yield Ended(run.execution.workflow_id, run.execution.run_id, phase)

    async def _latest_ended(self, status: WorkflowExecutionStatus) -> AsyncIterator[WorkflowExecutionInfo]:
        """Yield the runs that ended in one way, the latest first.

        That is the order of an index of Temporal's database. By ``CloseTime`` it has none: such a query reads what all
        executions that it keeps left there, however few are found.
        """
        listed = status.name.title().replace("_", "")
        query = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = '{listed}'"
        # As the server sends them: the SDK's own list decodes all attributes of each, nearly a millisecond's work, and
        # each that ended is listed several times.
        asked = ListWorkflowExecutionsRequest(namespace=self.client.namespace, query=query, page_size=_ENDED_PAGE)
        while True:
            call = self.client.workflow_service.list_workflow_executions(asked, retry=True, timeout=RPC_TIMEOUT)
            page = await answered(call)
            for run in page.executions:
                yield run
            if not page.next_page_token:
                return
            asked.next_page_token = page.next_page_token
