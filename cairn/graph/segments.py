"""Segments: a stretch of nodes whose work may be done again, which one activity runs, with a checkpoint at its end.

The activity steps the same graph with the same step function as the workflow, over a copy of what nodes see of the
state. The workflow then steps through the stretch itself and takes the results instead of commanding the work.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, replace
from datetime import UTC, datetime

from cairn.contracts.executions import DoneWork, GraphRef, NodeFailure
from cairn.contracts.json import JsonObject, digest
from cairn.contracts.nodes import RUN_SEGMENT, NodeResult
from cairn.graph import step
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.nodes.base import RetryPolicy
from cairn.graph.nodes.tool import ToolData
from cairn.graph.state import ExecutionState, InFlight, Run, Spent, Token, Work

_PASSED = frozenset({"condition", "transform"})
_SEEN = ("input", "values", "execution", "outputs", "visits", "allowance", "item")
# The activity itself counts the tries of each node, by the node's own policy.
_RETRY = RetryPolicy(max_attempts=1000, max_interval=60)
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def starts(graph: Graph, state: ExecutionState, node: GraphNode) -> bool:
    """Whether a node begins a segment."""
    since = 5 if isinstance(node.data, ToolData) else 1
    return graph.segmented and state.engine > since and node.kind.without_effect(node.data)


def begin(state: ExecutionState, node: GraphNode, token: Token, key: str, ref: GraphRef) -> Run:
    """Put a segment under way. The visits of its nodes are counted when the engine steps through it."""
    run = Run(
        key=key,
        node_id=node.id,
        visit=state.visits.get(node.id, 0) + 1,
        summary=f"{node.name} …",
        activity=RUN_SEGMENT.name,
        data={
            "graph": ref.model_dump(),
            "node_id": node.id,
            "last": token.last,
            "state": {name: getattr(state, name) for name in _SEEN} | {"spent": {**asdict(state.spent), "since": None}},
        },
        timeout=None,
        retry=_RETRY,
    )
    state.in_flight[key] = InFlight(run=run, token=token)
    return run


def take(state: ExecutionState, token: Token, result: NodeResult) -> None:
    """Take what a segment brought: the token enters its first node, and finds the results on its way."""
    for done in result.value["done"]:
        work = DoneWork.model_validate(done)
        state.segment[f"{work.node_id}#{work.visit}"] = work
    state.ready.append(token)


def go_through(graph: Graph, state: ExecutionState) -> None:
    """Step through what segments have brought, as far as it leads: what a reset to a segment's end finds.

    What stands ready beside them stays where it is: its work is not begun at the time of a checkpoint.
    """
    beside = [token for token in state.ready if _coming(state, token) not in state.segment]
    while state.segment and state.failure is None:
        own = (each for each in state.ready if not any(each is other for other in beside))
        token = next((each for each in own if _leads_on(graph, state, each)), None)
        if token is None:
            return
        state.ready = deque([token, *(each for each in state.ready if each is not token)])
        if step.step_once(graph, state, step.Line(_NO_TIME), []) is not None:
            return


def _leads_on(graph: Graph, state: ExecutionState, token: Token) -> bool:
    node = graph.nodes[token.node_id]
    return _coming(state, token) in state.segment or (node.kind.type in _PASSED and node.checkpoint is None)


def _coming(state: ExecutionState, token: Token) -> str:
    """Return the visit of its node that a token is about to make."""
    return f"{token.node_id}#{state.visits.get(token.node_id, 0) + 1}"


class Segment:
    """One segment as its activity runs it.

    Attributes:
        done: the work that ended, in order.
        checkpoint: name of the checkpoint that its end is, None when its last node failed.
        last: the node whose work ended last.
    """

    def __init__(self, graph: Graph, data: JsonObject) -> None:
        """Stand before the first node.

        Args:
            graph: the graph.
            data: of the call of ``run_segment``.
        """
        self._graph = replace(graph, segmented=False, limits=graph.limits.model_copy(update={"seconds": None}))
        seen = data["state"]
        self._state = ExecutionState(
            **{name: seen[name] for name in _SEEN},
            engine=2,
            spent=Spent(steps=seen["spent"]["steps"], tokens=seen["spent"]["tokens"], cost=seen["spent"]["cost"]),
        )
        self._state.ready.append(Token(node_id=data["node_id"], last=data["last"]))
        self.done: list[DoneWork] = []
        self.checkpoint: str | None = None
        self.last: str = data["node_id"]
        self._over = False

    def next(self) -> Run | None:
        """Return the next work, None when the segment is over."""
        state = self._state
        while state.ready and not self._over and state.failure is None:
            node = self._graph.nodes[state.ready[0].node_id]
            inside = node.kind.without_effect(node.data)
            if not inside and (node.kind.type not in _PASSED or node.checkpoint is not None):
                return None
            before = len(state.in_flight)
            works: list[Work] = []
            if step.step_once(self._graph, state, step.Line(_NO_TIME), works) is not None:
                return None  # over a limit: the execution pauses there
            if len(state.in_flight) > before and isinstance(works[-1], Run):
                return works[-1]
        return None

    def complete(self, run: Run, result: NodeResult) -> None:
        """Take the result of the work."""
        self._ended(
            run,
            DoneWork(
                node_id=run.node_id,
                visit=run.visit,
                digest=digest(run.data),
                result=result.model_dump(mode="json", exclude_none=True),
            ),
        )
        node = self._graph.nodes[run.node_id]
        self.checkpoint = node.checkpoint or node.name
        self._over = node.checkpoint is not None
        step.complete(self._graph, self._state, run.key, result)

    def fail(self, run: Run, failure: NodeFailure) -> None:
        """Take the final failure of the work: an error edge may lead on, but the segment is over."""
        done = DoneWork(node_id=run.node_id, visit=run.visit, digest=digest(run.data), failure=failure)
        self._ended(run, done.model_copy(update={"usage": failure.usage}))
        self.checkpoint, self._over = None, True

    def _ended(self, run: Run, work: DoneWork) -> None:
        self.done.append(work)
        self.last = run.node_id
