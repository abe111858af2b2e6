"""The activity that runs a segment: several nodes whose work may be done again, one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, cast

import orjson
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.code import CodeActivities
from activities.guard import HEARTBEAT_INTERVAL, guard, heartbeating, progress
from activities.tools import ToolActivities
from cairn.contracts.executions import DoneWork, GraphRef, NodeFailure
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import OVER_BUDGET, RUN_CODE, RUN_SEGMENT, RUN_TOOL, NodeCall, NodeResult
from cairn.domain.graphs.pinned import load_definition
from cairn.graph.compiled import Graph, compiled
from cairn.graph.segments import Segment
from cairn.graph.state import Run
from cairn.persistence.session import Database
from cairn.providers.sandbox import Sandbox, Series
from workflows.failures import node_failure

_PART = 64 * 1024
"""Bytes of work that ended after which a heartbeat's part is full."""
_OFTEN = HEARTBEAT_INTERVAL.total_seconds()
"""Seconds of quick work that ended after which a heartbeat tells of it: each is a write at Temporal's database, so
that a segment of quick nodes has none, and a crash repeats no more than these seconds."""
_DEAR = 1.0
"""Seconds that a node has to take so that a heartbeat tells of it at once: a model's answer is not to be paid twice."""

Activity: TypeAlias = Callable[[NodeCall], Awaitable[NodeResult]]


class SegmentActivities:
    """Runs segments with the activities of their nodes."""

    def __init__(
        self, database: Database, sandbox: Sandbox, tools: ToolActivities, inside: Mapping[str, Activity]
    ) -> None:
        """Take what runs code and tools, and the other activities that may run inside of a segment, by name."""
        self._database = database
        self._sandbox = sandbox
        self._tools = tools
        self._inside = inside

    @activity.defn(name=RUN_SEGMENT.name)
    async def run_segment(self, call: NodeCall) -> NodeResult:
        """Run the nodes of a segment; a retry goes on after the last node that ended.

        Raises:
            ApplicationError: a node failed and is to be tried again.
        """
        guard(call)
        segment = Segment(await self._graph(call), call.data)
        told = Progress(activity.info().heartbeat_details)
        token = progress.set(told.details)
        code = self._sandbox.series()
        try:
            async with heartbeating():
                while (run := segment.next()) is not None:
                    if not await self._step(call, segment, run, told, code):
                        break
                    await asyncio.sleep(0)  # a turn for heartbeats and others: a function may wait for nothing
        except BaseException:
            told.tell()  # the next try, perhaps another worker's, goes on from here
            raise
        finally:
            progress.reset(token)
            await code.rest()
        done = [work.model_dump(mode="json", exclude_none=True) for work in segment.done]
        return NodeResult(value={"done": done, "checkpoint": segment.checkpoint, "node_id": segment.last})

    async def _graph(self, call: NodeCall) -> Graph:
        async with self._database.session() as session:
            ref = GraphRef.model_validate(call.data["graph"])
            return compiled(await load_definition(session, ref.version_id, ref.digest, ref.body), ref.digest)

    async def _step(self, call: NodeCall, segment: Segment, run: Run, told: Progress, code: Series) -> bool:
        """Run one node; return whether to go on: over the monthly budget what is done is kept, and the rest is held."""
        kept = told.find(run)
        if kept is not None:
            segment.complete(run, NodeResult.model_validate(kept.result))
            return True
        try:
            result = await self._work(call, run, told.attempts.get(run.key, 0) + 1, code)
        except (ApplicationError, TimeoutError) as error:
            if isinstance(error, ApplicationError) and error.type == OVER_BUDGET:
                if segment.done:
                    return False
                raise
            failure = self._final(run, error, told.failed(run))
            if failure is None:
                raise _again(run, error, told.attempts[run.key]) from error
            segment.fail(run, failure)
        else:
            segment.complete(run, result)
            told.done(segment.done[-1])
        return True

    async def _work(self, call: NodeCall, run: Run, attempt: int, code: Series) -> NodeResult:
        inner = call.model_copy(
            update={"node_id": run.node_id, "visit": run.visit, "data": run.data, "timeout": run.timeout}
        )
        async with asyncio.timeout(run.timeout):
            if run.activity == RUN_CODE.name:
                return await CodeActivities(code).run_code(inner)
            await code.rest()  # its process is of no use meanwhile
            if run.activity == RUN_TOOL.name:
                return await self._tools.run_repeatable(inner, attempt)
            return await self._inside[run.activity](inner)

    def _final(self, run: Run, error: ApplicationError | TimeoutError, attempts: int) -> NodeFailure | None:
        """Return why the node failed for good; None when its policy has it tried again."""
        code = (error.type or "error") if isinstance(error, ApplicationError) else "timeout"
        final = isinstance(error, ApplicationError) and error.non_retryable
        if not (final or code in run.retry.non_retryable or attempts >= run.retry.max_attempts):
            return None
        if isinstance(error, ApplicationError):
            return node_failure(run, error, None).model_copy(update={"attempt": attempts})
        message = f"node {run.summary!r} took longer than {run.timeout} s"
        return NodeFailure(code=code, message=message, node_id=run.node_id, visit=run.visit, attempt=attempts)


class Progress:
    """How far a segment has come, as its heartbeats carry it.

    What ended is told in parts, of which all but the first stay as they are: so a part that is large enough to be
    stored outside of Temporal is stored once, however many heartbeats name it.

    Attributes:
        details: of the heartbeats: the tries of the work that failed and the newest work that ended, then the parts
            that are full.
        attempts: tries by the key of the work.
    """

    def __init__(self, details: object, now: Callable[[], float] = time.monotonic) -> None:
        """Take what the last heartbeat of the try before carried, and a clock."""
        before = cast("list[JsonObject]", list(cast("Any", details)))
        newest: JsonObject = before[0] if before else {}
        self.attempts: dict[str, int] = newest.get("attempts", {})
        self._newest: list[JsonObject] = newest.get("done", [])
        self._size = sum(map(_size, self._newest))
        self.details: list[JsonObject] = [{"done": self._newest, "attempts": self.attempts}, *before[1:]]
        self._now = now
        self._told_at = self._ended_at = now()

    def find(self, run: Run) -> DoneWork | None:
        """Return the work if it ended in a try before."""
        for part in self.details:
            for done in part["done"]:
                if (done["node_id"], done["visit"]) == (run.node_id, run.visit):
                    return DoneWork.model_validate(done)
        return None

    def done(self, work: DoneWork) -> None:
        """Take work that ended, and tell of it when it took long, or when nothing has been told for long."""
        made = work.model_dump(mode="json", exclude_none=True)
        self._newest.append(made)
        self._size += _size(made)
        if self._size >= _PART:
            # A heartbeat that is being sent keeps what it has: nothing is taken out of it.
            self.details.append({"done": self._newest})
            self._newest, self._size = [], 0
            self.details[0] = {"done": self._newest, "attempts": self.attempts}
        began, self._ended_at = self._ended_at, self._now()
        if self._ended_at - began >= _DEAR or self._ended_at - self._told_at >= _OFTEN:
            self.tell()

    def failed(self, run: Run) -> int:
        """Take a try that failed; return how many there were."""
        self.attempts[run.key] = self.attempts.get(run.key, 0) + 1
        return self.attempts[run.key]

    def tell(self) -> None:
        """Heartbeat with all that ended."""
        self._told_at = self._now()
        activity.heartbeat(*self.details)


def _size(done: JsonObject) -> int:
    return len(orjson.dumps(done))


def _again(run: Run, error: ApplicationError | TimeoutError, attempts: int) -> ApplicationError:
    """Return the error that has Temporal try the segment again when the node's policy says."""
    policy = run.retry
    asked = error.next_retry_delay if isinstance(error, ApplicationError) else None
    wait = min(policy.initial_interval * policy.backoff ** (attempts - 1), policy.max_interval)
    code = (error.type or "error") if isinstance(error, ApplicationError) else "timeout"
    return ApplicationError(str(error), type=code, next_retry_delay=asked or timedelta(seconds=wait))
