"""Whether the present workflow code can go on with executions of earlier code: replays of their histories."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker._workflow_instance import _WorkflowLogicFlag  # pyright: ignore[reportPrivateUsage]

from cairn.contracts.executions import WORKFLOW_TYPE, Phase
from cairn.temporal.checkpoints import Projection
from cairn.temporal.connection import RPC_TIMEOUT, UnlessUnknown, answered_all
from cairn.temporal.history import read
from workflows.registry import WORKFLOWS

SINGLE_BATCH = _WorkflowLogicFlag.PROCESS_WORKFLOW_ACTIVATION_JOBS_AS_SINGLE_BATCH
"""A reset's new seed and the commands that it reapplies must reach a workflow together, or a command could act before
the workflow knows of the reset. The flag is recorded in history, so it has been set from the first release; the SDK
plans it as its default, until then there is no public way to set it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One run whose history was replayed.

    Attributes:
        workflow_id: Temporal's workflow id.
        run_id: the run.
        workflow_type: its registered name.
        problem: why the present code cannot go on with it; None: it can.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    problem: str | None


def replayer(converter: DataConverter, runtime: Runtime | None = None) -> Replayer:
    """Return a replayer that runs workflow code as the worker does."""
    made = Replayer(
        workflows=WORKFLOWS, data_converter=converter, workflow_runner=UnsandboxedWorkflowRunner(), runtime=runtime
    )
    made._set_default_workflow_logic_flag(SINGLE_BATCH, enabled=True)  # pyright: ignore[reportPrivateUsage]
    return made


async def replay(
    client: Client, runs: AsyncIterator[WorkflowExecution], runtime: Runtime | None = None
) -> AsyncGenerator[Replayed]:
    """Replay runs one after the other; only one history is in memory at a time.

    Args:
        client: reads the histories.
        runs: as Temporal lists them. One that is gone when its turn comes is left out.
        runtime: of the SDK; None: the process's.

    Yields:
        What became of each.

    Raises:
        Unavailable: Temporal does not answer.
    """
    made = replayer(client.data_converter, runtime)
    async with made.workflow_replay_iterator(_histories(client, runs)) as results:
        async for result in results:
            history = result.history
            failure = result.replay_failure
            problem = str(failure) if failure else await _misread(client, history)
            yield Replayed(history.workflow_id, history.run_id, _type(history), problem)


async def diverges(client: Client, workflow_id: str, run_id: str, before: int | None = None) -> str | None:
    """Replay one run.

    Args:
        client: reads the history.
        workflow_id: Temporal's workflow id.
        run_id: the run.
        before: id of the event that a reset goes to: what came from there on does not count.

    Returns:
        Why the present code cannot go on with it, None when it can.

    Raises:
        Unavailable: Temporal does not answer.
    """
    history = await _history(client, workflow_id, run_id)
    if before is not None:
        history = WorkflowHistory(workflow_id, [event for event in history.events if event.event_id < before])
    result = await replayer(client.data_converter).replay_workflow(history, raise_on_replay_failure=False)
    return str(result.replay_failure) if result.replay_failure else None


async def _histories(client: Client, runs: AsyncIterator[WorkflowExecution]) -> AsyncGenerator[WorkflowHistory]:
    async for run in runs:
        with UnlessUnknown():
            yield await _history(client, run.id, run.run_id)


async def _history(client: Client, workflow_id: str, run_id: str) -> WorkflowHistory:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    events = handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT)
    return WorkflowHistory(workflow_id, [event async for event in answered_all(events)])


async def _misread(client: Client, history: WorkflowHistory) -> str | None:
    """Return why the checkpoints of an execution cannot be read from its history, None when they can."""
    if _type(history) != WORKFLOW_TYPE:
        return None
    projection = Projection()
    try:
        projection.feed(await read(history.events, client.data_converter))
        projection.settle()
    except Exception as error:
        cause = error.__cause__ or error
        return f"its checkpoints cannot be read: {type(cause).__name__}: {cause}"
    ended, phase = projection.closed, projection.engine.phase
    if ended is not None and ended.phase is Phase.COMPLETED and phase is not Phase.COMPLETED:
        return f"it has completed, but its checkpoints are read as those of one that is {phase.value}"
    return None


def _type(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name
