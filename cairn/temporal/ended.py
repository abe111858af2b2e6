"""The end of a piece of work, as history tells it: what it brought or why it failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from cairn.contracts.calls import SPEAK
from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_SEGMENT, NodeResult
from cairn.graph.call_work import CALL
from cairn.graph.engine import Engine
from cairn.graph.state import Child, InFlight, Run
from cairn.graph.state import Done as Finished
from cairn.temporal.damage import fits
from cairn.temporal.events import ChildCompleted, ChildFailed, TaskCompleted, WorkCompleted, WorkFailed
from workflows.failures import child_failure, child_result, held, is_cancelled, is_parked, node_failure

Ended: TypeAlias = WorkCompleted | WorkFailed | ChildCompleted | ChildFailed
"""The end of a piece of work."""


@dataclass(frozen=True, slots=True)
class Done:
    """A piece of work that ended: what a reset to a point before it undoes, keeps or repeats.

    Attributes:
        event_id: of its end.
        key: of the work.
        at: when it ended.
        activity: the activity that did it; "" for what no activity does.
        data: what it was given.
        call: which of several calls of one visit it is.
        forks: ids of the parallels that it stood inside of, outermost first.
        labels: the label of its branch in each of them.
        lineage: the line of the execution in which it was done.
        result: what it brought; None when it failed.
        failure: why it failed.
        whole: what the node did, when its work was done with this; else it goes on, or it failed.
    """

    event_id: int
    key: str
    node_id: str
    visit: int
    at: datetime
    activity: str
    data: JsonObject
    forks: tuple[str, ...]
    labels: tuple[str, ...]
    lineage: str
    call: str = ""
    result: NodeResult | None = None
    failure: NodeFailure | None = None
    whole: Finished | None = None


def outcome(event: Ended, work: InFlight, rules: int) -> tuple[NodeResult | None, NodeFailure | None]:
    """Return what the work brought or why it failed; neither when it merely stopped.

    Args:
        event: its end.
        work: as it was under way.
        rules: of the engine.

    Raises:
        HistoryDamaged: what it brought is not of its form.
    """
    run = work.run
    match event:
        case WorkCompleted():
            fits(run, event.result)
            return event.result, None
        case ChildCompleted() if isinstance(run, Child):
            return child_result(run, event.result), None
        case ChildFailed() if isinstance(run, Child):
            return None, child_failure(run, event.cause)
        case WorkFailed() if held(event.cause, rules) is not None:
            return None, None
        case WorkFailed() if not is_parked(event.cause) and not is_cancelled(event.cause):
            failure = node_failure(run, event.cause, event.retry_state) if isinstance(run, Run) else None
            return None, child_failure(run, event.cause) if isinstance(run, Child) else failure
        case _:
            return None, None


def done_of(event: Ended, work: InFlight, lineage: str, result: NodeResult | None, failure: NodeFailure | None) -> Done:
    """Return the work as what has ended.

    Args:
        event: its end.
        work: as it was under way.
        lineage: the line of the execution.
        result: what it brought.
        failure: why it failed.
    """
    run, token = work.run, work.token
    return Done(
        event_id=event.id,
        key=run.key,
        node_id=run.node_id,
        visit=run.visit,
        at=event.at,
        activity=run.activity if isinstance(run, Run) else "",
        data=run.data,
        forks=token.forks,
        labels=token.labels,
        lineage=lineage,
        result=result,
        failure=failure,
    )


def watched(key: str) -> str:
    """Return the key of the child that an activity waits for, else the activity's own."""
    return key.removeprefix("watch:").rsplit(":", 1)[0] if key.startswith("watch:") else key


def done_without_event(whole: Finished, task: TaskCompleted, lineage: str) -> Done:
    """Return the end of a node's work that has no event of its own: by a command, by time, or by a kept result."""
    return Done(
        event_id=task.id,
        key=whole.key,
        node_id=whole.node_id,
        visit=whole.visit,
        at=task.at,
        activity="",
        data=whole.data,
        forks=whole.forks,
        labels=whole.labels,
        lineage=lineage,
        result=NodeResult(value=whole.result, usage=whole.usage),
        whole=whole,
    )


def key_of(event: Ended, keys: Mapping[int, str], engine: Engine) -> str:
    """Return the key of the work that ended; "" when it is none of the engine's.

    Args:
        event: its end.
        keys: of the work that was scheduled, by event.
        engine: of the execution.
    """
    if isinstance(event, WorkCompleted | WorkFailed):
        key = keys.get(event.scheduled_id, "")
        return key if "#" in key else ""
    in_flight = engine.state.in_flight.items() if engine.started else ()
    return next((k for k, w in in_flight if isinstance(w.run, Child) and w.run.temporal_id == event.temporal_id), "")


def in_order(events: Iterable[Ended], engine: Engine, key: Callable[[Ended], str]) -> list[Ended]:
    """Return what one workflow task saw in the order in which the engine takes it (``Engine.settle``)."""
    if engine.state.engine == 1:
        return list(events)
    return sorted(events, key=lambda event: int(key(event).rsplit("#", 1)[-1] or 0))


def name_of(work: InFlight, result: NodeResult) -> tuple[str | None, str]:
    """Return the name and the node of the checkpoint that a completion makes; no name when it makes none.

    Raises:
        HistoryDamaged: what the work brought is not of its form.
    """
    fits(work.run, result)
    if isinstance(work.run, Run) and work.run.activity == RUN_SEGMENT.name:
        return result.value["checkpoint"], result.value["node_id"]
    if work.loop == CALL and isinstance(work.run, Run) and work.run.activity == SPEAK.name:
        return _turn_name(work.run, result), work.run.node_id
    return work.run.checkpoint, work.run.node_id


def _turn_name(run: Run, result: NodeResult) -> str | None:
    """Return the checkpoint of a call's turn: one that is not over yet is told from its end by where it goes on."""
    if run.checkpoint is None or result.value["calls"]:
        return None
    ways = result.value["transitions"]
    return f"{run.checkpoint}: {ways[0]['name']}" if ways else run.checkpoint
