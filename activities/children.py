"""Activities for what is below an execution: waiting for a child, and keeping the items of a discarded map."""

from __future__ import annotations

from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, TimeoutError
from temporalio.service import RPCError

from activities.guard import guard, heartbeating
from cairn.contracts.children import (
    KEEP_ITEMS,
    STOPPED,
    WATCH_CHILD,
    KeptItems,
    KeptRequest,
    MapResult,
    WatchedChild,
    map_value,
)
from cairn.contracts.executions import ExecutionResult
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.domain.executions.children import keep_items
from cairn.persistence.session import Database
from cairn.temporal.connection import is_unknown


class ChildActivities:
    """The activities, over the worker's database and client."""

    def __init__(self, database: Database, client: Client) -> None:
        """Take what they work with."""
        self._database = database
        self._client = client

    @activity.defn(name=WATCH_CHILD.name)
    async def watch_child(self, call: NodeCall) -> NodeResult:
        """Wait until a child has ended, whatever runs it goes through; return what it brought.

        Raises:
            ApplicationError: of the child's own code, with its failure; ``cancelled``, ``terminated``, ``timeout`` or
                ``error`` when it ended without one. Not retryable.
        """
        guard(call)
        child = WatchedChild.model_validate(call.data)
        async with heartbeating():
            if child.after_reset and await self._was_stopped(child):
                message = "it ended in vain with the line of its parent that a reset has ended"
                raise ApplicationError(message, type=STOPPED, non_retryable=True)
            result = await self._result(child)
        if isinstance(result, MapResult):
            return NodeResult(value=map_value(result, child.collect), usage=result.usage)
        return NodeResult(value=result.output, usage=result.usage)

    @activity.defn(name=KEEP_ITEMS.name)
    async def keep_items(self, request: KeptRequest) -> KeptItems:
        """Hand finished items of a discarded map over to the one that takes its place; again does no harm."""
        async with self._database.transaction() as session:
            return await keep_items(session, request)

    async def _result(self, child: WatchedChild) -> ExecutionResult | MapResult:
        type_ = MapResult if child.map else ExecutionResult
        while True:
            handle = self._client.get_workflow_handle(child.temporal_id, result_type=type_)
            try:
                return await handle.result()
            except WorkflowFailureError as error:
                if isinstance(error.cause, TerminatedError) and await self._goes_on(child):
                    continue  # a reset ended that run and made another
                raise _failure(error.cause) from error
            except RPCError as error:
                if not is_unknown(error):
                    raise
                message = "the child execution is not known to Temporal"
                raise ApplicationError(message, type="error", non_retryable=True) from error

    async def _was_stopped(self, child: WatchedChild) -> bool:
        """Whether it ended with the line that a reset has ended, and brought nothing."""
        try:
            now = await self._client.get_workflow_handle(child.temporal_id).describe()
        except RPCError as error:
            if not is_unknown(error):
                raise
            return False
        if now.status == WorkflowExecutionStatus.CANCELED:
            return True
        # What fails after this was commanded, fails in the new line; another try of it may be made long after.
        ended_before = now.close_time is not None and now.close_time <= activity.info().scheduled_time
        return ended_before and now.status != WorkflowExecutionStatus.COMPLETED

    async def _goes_on(self, child: WatchedChild) -> bool:
        """Whether the child's current run did not end by termination."""
        now = await self._client.get_workflow_handle(child.temporal_id).describe()
        return now.status != WorkflowExecutionStatus.TERMINATED


def _failure(cause: BaseException) -> ApplicationError:
    match cause:
        case ApplicationError():
            details: tuple[Any, ...] = tuple(cause.details)
            return ApplicationError(cause.message, *details, type=cause.type, non_retryable=True)
        case CancelledError():
            return ApplicationError("it was cancelled", type="cancelled", non_retryable=True)
        case TerminatedError():
            return ApplicationError("it was terminated", type="terminated", non_retryable=True)
        case TimeoutError():
            return ApplicationError("it took too long", type="timeout", non_retryable=True)
        case _:
            return ApplicationError(str(cause), type="error", non_retryable=True)
