"""Reading histories from Temporal: whole, only what is new, from the newest back, or as they grow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cachetools import LRUCache
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client, WorkflowHistoryEventFilterType

from cairn.temporal.connection import RPC_TIMEOUT, UnlessUnknown, answered, answered_all
from cairn.temporal.events import Event, Landed, WasReset
from cairn.temporal.history import read

_LONG_POLL = timedelta(seconds=70)  # the server answers with nothing new within a minute
_TAIL_PAGE = 100
_KNOWN = 10_000


class Began(NamedTuple):
    """How a run began.

    Attributes:
        at: when, in UTC; for a run that a reset made, when the one began that was reset.
        continued_run_id: the run that it continues; None for the first of a chain.
        original_run_id: its own id, unless a reset made it.
    """

    at: datetime
    continued_run_id: str | None
    original_run_id: str


class Reset(NamedTuple):
    """The reset that made a run.

    Attributes:
        base_run_id: the run that was reset.
        at: when, in UTC.
        cancelled: Temporal was asked to cancel the run after that.
    """

    base_run_id: str
    at: datetime
    cancelled: bool


class HistoryReader:
    """Reads histories of runs. Each method raises ``Unavailable`` when Temporal does not answer."""

    def __init__(self, client: Client) -> None:
        """Take the process's client."""
        self.client = client
        self._began: LRUCache[str, Began] = LRUCache(_KNOWN)
        self._resets: LRUCache[str, tuple[WasReset, Landed | None]] = LRUCache(_KNOWN)

    async def events(self, temporal_id: str, run_id: str, after: int = 0) -> list[Event]:
        """Return the run's events that follow the one with number ``after``."""
        raw = await (self._tail(temporal_id, run_id, after) if after else self._whole(temporal_id, run_id))
        return await read(raw, self.client.data_converter)

    async def growing(self, temporal_id: str, run_id: str, *, wait: bool = True) -> AsyncGenerator[list[Event]]:
        """Yield the run's history, in batches as Temporal has them; with ``wait`` also what comes until it ends."""
        token = b""
        while True:
            page = await answered(
                self.client.workflow_service.get_workflow_execution_history(
                    GetWorkflowExecutionHistoryRequest(
                        namespace=self.client.namespace,
                        execution=WorkflowExecution(workflow_id=temporal_id, run_id=run_id),
                        next_page_token=token,
                        wait_new_event=wait,
                    ),
                    timeout=_LONG_POLL,
                ),
                within=_LONG_POLL,
            )
            if page.history.events:
                yield await read(page.history.events, self.client.data_converter)
            token = page.next_page_token
            if not token:
                return

    async def reset_of(self, temporal_id: str, run_id: str) -> Reset | None:
        """Return the reset that made a run, None when none did. Nothing is decoded.

        A cancellation that the reset brought along stands before the first workflow task that follows the reset.
        """
        asked = heeded = False
        async for page in self._reverse(temporal_id, run_id):
            for event in page:
                match event.event_type:
                    case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                        asked = True
                    case EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
                        heeded = asked
                    case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED if (base := _base_of(event)) is not None:
                        return Reset(base, event.event_time.ToDatetime(tzinfo=UTC), heeded)
                    case _:
                        pass
        return None

    async def reset_at(self, temporal_id: str, run_id: str) -> datetime | None:
        """Return when the latest reset was made that a run goes back to, also in those that it continues; else None.

        Nothing is decoded. None also where retention has removed what would tell it.
        """
        run: str | None = run_id
        with UnlessUnknown():
            while run is not None:
                began = await self.began(temporal_id, run)
                if began.original_run_id != run and (reset := await self.reset_of(temporal_id, run)) is not None:
                    return reset.at
                run = began.continued_run_id
        return None

    async def children_after(self, temporal_id: str, run_id: str, event_id: int) -> list[str]:
        """Return the Temporal ids of the children that the run started after an event, oldest first."""
        raw = await (self._tail(temporal_id, run_id, event_id) if event_id else self._whole(temporal_id, run_id))
        name = "start_child_workflow_execution_initiated_event_attributes"
        return [getattr(event, name).workflow_id for event in raw if event.HasField(name)]

    async def started_child(self, temporal_id: str, run_id: str, child_id: str) -> int | None:
        """Return the workflow task in which the run started a child; None when it did not."""
        for event in await self._whole(temporal_id, run_id):
            started = event.start_child_workflow_execution_initiated_event_attributes
            if started.workflow_id == child_id:
                return started.workflow_task_completed_event_id
        return None

    async def began(self, temporal_id: str, run_id: str) -> Began:
        """Return how a run began. Raises ``RPCError`` (NOT_FOUND) when Temporal knows it no more."""
        if run_id in self._began:
            return self._began[run_id]
        handle = self.client.get_workflow_handle(temporal_id, run_id=run_id)
        events = handle.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT)
        first = await answered(anext(events))
        started = first.workflow_execution_started_event_attributes
        at = first.event_time.ToDatetime(tzinfo=UTC)
        found = Began(at, started.continued_execution_run_id or None, started.original_execution_run_id)
        self._began[run_id] = found
        return found

    async def continued_from(self, temporal_id: str, run_id: str) -> str | None:
        """Return the run that went on in this one (continue-as-new); None for the first of a chain."""
        return (await self.began(temporal_id, run_id)).continued_run_id

    async def newest(self, temporal_id: str, run_id: str) -> str:
        """Return the last of the runs that a run goes on in (continue-as-new), also when a reset has ended it since.

        Where retention has removed one, it is the last that is known.
        """
        while True:
            handle = self.client.get_workflow_handle(temporal_id, run_id=run_id)
            closing = handle.fetch_history_events(
                event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, rpc_timeout=RPC_TIMEOUT
            )
            following = ""
            with UnlessUnknown():
                async for event in answered_all(closing):
                    following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            if not following:
                return run_id
            run_id = following

    async def runs_of(self, temporal_id: str) -> list[str]:
        """Return the ids of all runs of a workflow that Temporal lists; the newest may lack for a moment."""
        listed = self.client.list_workflows(f'WorkflowId = "{temporal_id}"', rpc_timeout=RPC_TIMEOUT)
        return [run.run_id async for run in answered_all(listed)]

    async def last_reset(self, temporal_id: str, run_id: str) -> tuple[WasReset, Landed | None] | None:
        """Return the reset that made a run, and how the execution landed in it; None when no reset made it.

        None also when Temporal knows the run no more.
        """
        if run_id in self._resets:
            return self._resets[run_id]
        found = None
        with UnlessUnknown():
            if (await self.began(temporal_id, run_id)).original_run_id != run_id:
                found = await self._last_reset(temporal_id, run_id)
        if found is not None and found[1] is not None:  # it stays as it is
            self._resets[run_id] = found
        return found

    async def _last_reset(self, temporal_id: str, run_id: str) -> tuple[WasReset, Landed | None] | None:
        landed: Landed | None = None
        async for page in self._reverse(temporal_id, run_id):
            for event in reversed(await read(page[::-1], self.client.data_converter)):
                if isinstance(event, Landed):
                    landed = event
                elif isinstance(event, WasReset):
                    return (event, landed) if event.new_run_id == run_id else None
        return None

    async def _whole(self, temporal_id: str, run_id: str) -> list[HistoryEvent]:
        handle = self.client.get_workflow_handle(temporal_id, run_id=run_id)
        history = handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT)
        return [event async for event in answered_all(history)]

    async def _tail(self, temporal_id: str, run_id: str, after: int) -> list[HistoryEvent]:
        """Read from the newest event back to the last one known."""
        found: list[HistoryEvent] = []
        async for page in self._reverse(temporal_id, run_id):
            found += [event for event in page if event.event_id > after]
            if page[-1].event_id <= after + 1:
                break
        return found[::-1]

    async def _reverse(self, temporal_id: str, run_id: str) -> AsyncIterator[Sequence[HistoryEvent]]:
        """Yield the run's history from its newest event back, in pages."""
        token = b""
        while True:
            page = await answered(
                self.client.workflow_service.get_workflow_execution_history_reverse(
                    GetWorkflowExecutionHistoryReverseRequest(
                        namespace=self.client.namespace,
                        execution=WorkflowExecution(workflow_id=temporal_id, run_id=run_id),
                        maximum_page_size=_TAIL_PAGE,
                        next_page_token=token,
                    ),
                    timeout=RPC_TIMEOUT,
                )
            )
            if page.history.events:
                yield page.history.events
            token = page.next_page_token
            if not token:
                return


def _base_of(event: HistoryEvent) -> str | None:
    """Return the run that was reset, when the failure of a workflow task is a reset."""
    failed = event.workflow_task_failed_event_attributes
    reset = failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    return failed.base_run_id if reset else None
