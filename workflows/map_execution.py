"""One map: an execution for each item of a list, so many at a time, their results in the list's order.

A long list is divided among chunks, which are workflows of this same type: no history grows with the list. When an
operator resets a map, items that have begun are not begun again: the map waits for them by an activity, since Temporal
may not tell the new run of what ended meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal, cast

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ChildWorkflowHandle, ParentClosePolicy

from cairn.contracts.children import (
    KEEP_ITEMS,
    MAP_WORKFLOW_TYPE,
    WATCH_CHILD,
    ItemResult,
    KeptRequest,
    MapInput,
    MapResult,
    WatchedChild,
    item_id,
    work_digest,
)
from cairn.contracts.executions import (
    SIGNAL_PARENT,
    WORKFLOW_TYPE,
    ExecutionInput,
    ExecutionResult,
    NodeFailure,
    ParentCommand,
    Usage,
)
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult
from workflows.failures import end_taken, failure_details, is_cancelled, is_parked
from workflows.search_attributes import execution_attributes

HEARTBEAT_TIMEOUT = timedelta(seconds=15)
UNLIMITED = timedelta(days=365)
PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))

BY_ID = "cancel-items-by-id"
"""Patch: before it, maps cancel the run of an item that they have started, which a reset may have replaced."""


class _ItemFailed(Exception):
    """The map fails with its first item that does."""


@workflow.defn(name=MAP_WORKFLOW_TYPE)
class MapExecution:
    """The map workflow, and that of its chunks."""

    @workflow.init
    def __init__(self, start: MapInput) -> None:
        """Watch for resets before anything else happens."""
        self._start = start
        self._id = start.map_id or workflow.info().workflow_id
        self._results: list[ItemResult | None] = [None] * len(start.items)
        self._usage = Usage()
        self._said: Literal["pause", "resume"] = "resume"
        self._stopping = False
        self._resets = 0
        self._failed: tuple[NodeFailure, int] | None = None
        self._seeds = {seed.index: seed for seed in start.seeds}
        workflow.register_random_seed_callback(self._on_reset)

    @workflow.run
    async def run(self, start: MapInput) -> MapResult:
        """Run all items."""
        number = len(start.items)
        if number > start.chunk:
            offsets = iter(range(0, number, start.chunk))
            await self._work(self._chunk, offsets, shares(start.concurrency, start.chunk, number))
        else:
            await self._keep()
            left = iter([index for index in range(number) if self._results[index] is None])
            await self._work(self._item, left, [1] * min(start.concurrency, number))
        items = [result or ItemResult() for result in self._results]
        return MapResult(items=items, usage=self._usage if self._usage.requests else None)

    @workflow.signal(name=SIGNAL_PARENT)
    def parent(self, command: ParentCommand) -> None:
        """Pause or resume with the parent: open items are told, others are not started while paused."""
        self._said = command.kind
        self._show()

    def _on_reset(self, _seed: int) -> None:
        self._resets += 1

    # The work: so many workers take jobs from one list.

    async def _work(self, do: Callable[[int, int], Awaitable[None]], jobs: Iterator[int], slots: Sequence[int]) -> None:
        self._show()
        workers = [asyncio.create_task(self._worker(do, jobs, slot)) for slot in slots]
        if not workers:
            return
        try:
            await workflow.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self._stopping = True
            for worker in workers:
                worker.cancel()
            await workflow.wait(workers)
        if self._failed is not None:
            failure, index = self._failed
            details = {**failure_details(failure, self._usage), "index": index}
            raise ApplicationError(failure.message, details, type=failure.code, non_retryable=True)
        for worker in workers:
            worker.result()

    async def _worker(self, do: Callable[[int, int], Awaitable[None]], jobs: Iterator[int], slot: int) -> None:
        while True:
            await workflow.wait_condition(functools.partial(self._says, "resume"))
            job = next(jobs, None)
            if job is None:
                return
            await do(job, slot)
            self._show()

    async def _item(self, index: int, _slot: int) -> None:
        start = self._item_input(index)
        number = self._start.first + index
        child = WatchedChild(temporal_id=start.execution_id)
        try:
            result = await self._child(child, start, f"{self._start.name} [{number}]".strip())
        except (ChildWorkflowError, ActivityError) as error:
            failure, _ = self._failure_of(error.cause, number)
            self._usage = self._usage.plus(failure.usage or Usage())
            self._fail(failure, number)
            self._take([ItemResult(error=failure)], index, None)
        else:
            self._take(result.items, index, result.usage)

    async def _chunk(self, offset: int, share: int) -> None:
        start = self._chunk_input(offset, share)
        child = WatchedChild(temporal_id=f"{self._id}/{start.first}", map=True, collect=True)
        last = start.first + len(start.items) - 1
        summary = f"{self._start.name} [{start.first}-{last}]".strip()
        try:
            result = await self._child(child, start, summary)
        except (ChildWorkflowError, ActivityError) as error:
            failure, index = self._failure_of(error.cause, start.first)
            self._usage = self._usage.plus(failure.usage or Usage())
            self._failed = self._failed or (failure, index)
            raise _ItemFailed from error
        self._take(result.items, offset, result.usage)

    def _fail(self, failure: NodeFailure, index: int) -> None:
        """Fail the map with an item, unless errors are collected."""
        if self._start.on_error == "fail":
            self._failed = self._failed or (failure, index)
            raise _ItemFailed

    def _failure_of(self, cause: BaseException | None, index: int) -> tuple[NodeFailure, int]:
        """Return why an item failed, and which item, as a chunk tells it."""
        code, message = "error", str(cause)
        if isinstance(cause, ApplicationError):
            told = _details(cause)
            if "node_id" in told:
                return NodeFailure.model_validate(told), told.get("index", index)
            code, message = cause.type or code, cause.message
        elif is_cancelled(cause):
            code, message = "cancelled", "it was cancelled"
        elif isinstance(cause, TerminatedError):
            code, message = "terminated", "it was terminated"
        elif isinstance(cause, TimeoutError):
            code, message = "timeout", "it took too long"
        parent = self._start.execution.parent
        return NodeFailure(code=code, message=message, node_id=parent.node_id if parent else ""), index

    def _take(self, results: Sequence[ItemResult], offset: int, usage: Usage | None) -> None:
        self._results[offset : offset + len(results)] = results
        self._usage = self._usage.plus(usage or Usage())

    # Children, whatever resets come.

    async def _child(self, child: WatchedChild, start: ExecutionInput | MapInput, summary: str) -> MapResult:
        """Run an item or a chunk and return what it brought.

        Raises:
            ChildWorkflowError, ActivityError: the child failed; ``cause`` says why.
        """
        teller: asyncio.Task[None] | None = None
        try:
            handle: ChildWorkflowHandle[Any, Any] = await workflow.start_child_workflow(
                MAP_WORKFLOW_TYPE if child.map else WORKFLOW_TYPE,
                start,
                id=child.temporal_id,
                result_type=MapResult if child.map else ExecutionResult,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                search_attributes=execution_attributes(start.execution if isinstance(start, MapInput) else start),
                static_summary=summary,
            )
            handle.add_done_callback(end_taken)
            teller = asyncio.create_task(self._tell(child.temporal_id))
            return await self._ended(handle) or await self._watched(child, summary)
        except WorkflowAlreadyStartedError:  # before a reset of this map
            teller = asyncio.create_task(self._tell(child.temporal_id))
            return await self._watched(child, summary)
        except (ChildWorkflowError, ActivityError) as error:
            if self._stopping and is_cancelled(error.cause):
                raise asyncio.CancelledError from error
            raise
        finally:
            if teller is not None:
                teller.cancel()

    async def _ended(self, handle: ChildWorkflowHandle[Any, Any]) -> MapResult | None:
        """Return the child's result, None when this map was reset meanwhile."""
        resets = self._resets
        reset = asyncio.create_task(workflow.wait_condition(lambda: self._resets > resets))
        try:
            await workflow.wait([handle, reset], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if workflow.patched(BY_ID):
                await self._cancel(handle.id)
            else:
                handle.cancel()
            await workflow.wait([handle])
            raise
        finally:
            reset.cancel()
        if handle.done():
            result: ExecutionResult | MapResult = handle.result()
            return result if isinstance(result, MapResult) else _single(result.output, result.usage)
        return None

    async def _watched(self, child: WatchedChild, summary: str) -> MapResult:
        """Wait for a child by an activity; a cancellation cancels the child."""
        while True:
            try:
                result: NodeResult = await workflow.execute_activity(
                    WATCH_CHILD.name,
                    self._watch_call(child),
                    result_type=NodeResult,
                    start_to_close_timeout=UNLIMITED,
                    heartbeat_timeout=HEARTBEAT_TIMEOUT,
                    retry_policy=PATIENT,
                    summary=f"wait for {summary}",
                )
            except ActivityError as error:
                if is_parked(error.cause):
                    continue
                if is_cancelled(error.cause):
                    await self._cancel(child.temporal_id)
                    raise asyncio.CancelledError from error
                raise
            if not child.map:
                return _single(result.value, result.usage)
            return MapResult(items=[self._collected(item) for item in result.value], usage=result.usage)

    async def _cancel(self, temporal_id: str) -> None:
        with contextlib.suppress(ApplicationError):  # it is gone
            await workflow.get_external_workflow_handle(temporal_id).cancel()

    async def _tell(self, temporal_id: str) -> None:
        """Keep a child told whether the parent is paused."""
        with contextlib.suppress(ApplicationError):  # it has ended
            for kind in itertools.cycle(("pause", "resume")):
                await workflow.wait_condition(functools.partial(self._says, kind))
                command = ParentCommand(kind=kind)
                await workflow.get_external_workflow_handle(temporal_id).signal(SIGNAL_PARENT, command)

    def _says(self, kind: Literal["pause", "resume"]) -> bool:
        return self._said == kind

    # Payloads.

    def _item_input(self, index: int) -> ExecutionInput:
        start, number = self._start, self._start.first + index
        execution, item = start.execution, start.items[index]
        parent, seed = execution.parent, self._seeds.get(number)
        return execution.model_copy(
            update={
                "execution_id": item_id(self._id, number, start.lineage),
                "graph": (seed and seed.graph) or execution.graph,
                "input": item if start.by_item else execution.input,
                "item": item,
                "seed": seed and seed.state,
                "parent": parent and parent.model_copy(update={"index": number, "map_id": self._id}),
            }
        )

    def _chunk_input(self, offset: int, share: int) -> MapInput:
        start, first = self._start, self._start.first + offset
        items = start.items[offset : offset + start.chunk]
        return start.model_copy(
            update={
                "items": items,
                "concurrency": share,
                "seeds": [seed for seed in start.seeds if first <= (seed.index or 0) < first + len(items)],
                "map_id": self._id,
                "first": first,
            }
        )

    def _watch_call(self, child: WatchedChild) -> NodeCall:
        execution, info = self._start.execution, workflow.info()
        parent = execution.parent
        return NodeCall(
            execution_id=parent.execution_id if parent else execution.execution_id,
            temporal_id=info.workflow_id,
            tenant=execution.tenant,
            live=execution.live,
            run_id=info.run_id,
            lineage=self._start.lineage,
            node_id=parent.node_id if parent else "",
            visit=parent.visit if parent else 1,
            data=child.model_dump(),
        )

    def _collected(self, item: Any) -> ItemResult:
        """Return the result of an item of a chunk that was waited for by an activity."""
        if "error" not in item:
            return ItemResult(value=item["value"])
        parent = self._start.execution.parent
        return ItemResult(error=NodeFailure(node_id=parent.node_id if parent else "", **item["error"]))

    async def _keep(self) -> None:
        """Take over what a discarded map had finished."""
        start = self._start
        if start.previous is None or not start.items:
            return
        works = [self._item_input(index) for index in range(len(start.items))]
        request = KeptRequest(
            tenant=start.execution.tenant,
            previous=start.previous,
            map_id=self._id,
            first=start.first,
            digests=["" if work.seed is not None else work_digest(work) for work in works],
        )
        kept = await workflow.execute_activity(
            KEEP_ITEMS.name,
            request,
            result_type=KEEP_ITEMS.output,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=PATIENT,
            summary="keep finished items",
        )
        for number, value in kept.values.items():
            self._results[number - start.first] = ItemResult(value=value)
        self._usage = kept.usage or Usage()

    def _show(self) -> None:
        """Show progress to operators."""
        done = [result for result in self._results if result is not None]
        failed = sum(result.error is not None for result in done)
        lines = [f"**{len(done)} of {len(self._results)}** items done" + (f", {failed} failed" if failed else "")]
        lines += ["- paused with its parent"] if self._said == "pause" else []
        workflow.set_current_details("\n".join(lines))


def shares(concurrency: int, chunk: int, number: int) -> list[int]:
    """Divide the executions at a time among chunks at a time.

    At least two chunks, so that the last items of one do not hold up the next; as few as can make full use of it.
    """
    chunks = -(-number // chunk)
    slots = min(chunks, concurrency, max(2, -(-concurrency // chunk)))
    return [concurrency // slots + (slot < concurrency % slots) for slot in range(slots)]


def _single(value: Json, usage: Usage | None) -> MapResult:
    return MapResult(items=[ItemResult(value=value)], usage=usage)


def _details(error: ApplicationError) -> JsonObject:
    first = error.details[0] if error.details else None
    return cast("JsonObject", first) if isinstance(first, dict) else {}
