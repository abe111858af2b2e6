"""The pure step function: state + graph -> the work to do next. Nothing here reads a clock, a network, a random number.

``advance`` lets every ready token enter its node. Kinds without work are carried out at once; for the others work is
returned (see :mod:`cairn.graph.state`), and ``complete`` or ``fail`` takes what came of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cairn.contracts.executions import DoneWork, NodeFailure
from cairn.contracts.json import Json, JsonObject, digest
from cairn.contracts.nodes import MARK_CHECKPOINT, RUN_SEGMENT, NodeResult
from cairn.graph import agents, call_events, calls, children, forks, segments, waits
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.expressions import ExpressionError
from cairn.graph.keys import next_key, next_number
from cairn.graph.limits import over_budget, over_limit, used
from cairn.graph.nodes.agent import AgentData
from cairn.graph.nodes.tool import ToolData
from cairn.graph.results import NODE_ERRORS, choose, failure_of, leave, node_done, returned, traced, write
from cairn.graph.state import AgentLoop, Child, ExecutionState, InFlight, Line, Notice, Run, Token, Wait, Work


def begin(
    graph: Graph, execution: JsonObject, input_data: Json, configuration: JsonObject | None = None
) -> ExecutionState:
    """Return the state of an execution that stands before its start node."""
    state = ExecutionState(input=input_data, values=dict(graph.initial_state), execution=execution)
    state.call = calls.begin(graph, configuration or {})
    state.ready.append(Token(node_id=graph.start))
    return state


def advance(graph: Graph, state: ExecutionState, line: Line) -> tuple[list[Work], str | None]:
    """Let ready tokens enter their nodes until only work under way is left.

    Args:
        graph: the graph.
        state: changed in place.
        line: where and when.

    Returns:
        The work to start, and the reason to pause when a limit is reached (the token that reached it stays ready).
    """
    works: list[Work] = []
    if state.spent.since is None:
        state.spent.since = line.now
    while _more(state, line.now):
        reason = step_once(graph, state, line, works)
        if reason is not None:
            return works, reason
    return [work for work in works if work.key in state.in_flight], None


def _more(state: ExecutionState, now: datetime) -> bool:
    call_events.conclude(state, now)
    return bool(state.ready or state.due) and state.failure is None


def step_once(graph: Graph, state: ExecutionState, line: Line, works: list[Work]) -> str | None:
    """Let one token enter or leave its node, or one agent go on; return the reason to pause instead."""
    if not state.ready:
        reason = over_budget(graph, state, line.now)
        if reason is None:
            works += _drive(graph, state, state.due.pop(0), line)
        return reason
    token = state.ready[0]
    node = graph.nodes[token.node_id]
    reason = None if token.done else over_limit(graph, state, node, line.now)
    if reason is None:
        state.ready.popleft()
        work = _finish(graph, state, node, token) if token.done else _enter(graph, state, node, token, line)
        works += [work] if work is not None else []
    return reason


def complete(graph: Graph, state: ExecutionState, key: str, result: NodeResult) -> None:
    """Take the result of a piece of work; a key that is not under way is ignored."""
    work = state.in_flight.pop(key, None)
    if work is None:
        return
    if work.run.kind == "run" and work.run.activity == RUN_SEGMENT.name:
        return segments.take(state, work.token, result)
    used(state, result.usage)
    node = graph.nodes[work.run.node_id]
    try:
        if work.loop == calls.CALL:
            calls.complete(graph, state, work, result)
        elif work.loop is not None:
            agents.complete(graph, state, work, result)
        elif not isinstance(work.run, Run):
            node_done(graph, state, work.run, work.token, result.value, result.usage)
        elif work.run.activity != MARK_CHECKPOINT.name:
            returned(graph, state, node, result.value)
            traced(state, node, work.run, work.token, result.value, result.usage)
            work.token.last = result.value
            leave(graph, state, node, work.token)
        else:
            _carry_on(graph, state, node, work.token)
    except NODE_ERRORS as error:
        failed(graph, state, node, work.token, failure_of(node, work.run.visit, error))


def fail(graph: Graph, state: ExecutionState, key: str, failure: NodeFailure) -> None:
    """Take the final failure of a piece of work; a key that is not under way is ignored."""
    work = state.in_flight.pop(key, None)
    if work is None:
        return
    used(state, failure.usage if state.engine > (2 if isinstance(work.run, Child) else 3) else None)
    owner = calls if work.loop == calls.CALL else agents
    if work.loop is not None and owner.fail(state, work, failure):
        return
    failed(graph, state, graph.nodes[work.run.node_id], work.token, failure)


def redo(graph: Graph, state: ExecutionState, key: str, line: Line) -> Work | None:
    """Command work anew that a reset had parked, unless the line that the reset ended has left its result.

    Returns None when the work is not under way, or is done.
    """
    work = state.in_flight.pop(key, None)
    if work is None:
        return None
    kept = state.done.get(f"{work.run.node_id}#{work.run.visit}") if work.loop is None else None
    if kept is not None and state.engine > 8 and isinstance(work.run, Run) and work.run.activity == RUN_SEGMENT.name:
        state.ready.append(work.token)  # it steps through what is kept of the segment, and on from there
        return None
    works = isinstance(work.run, Run) and work.run.activity != MARK_CHECKPOINT.name
    if kept is not None and works and kept.digest == digest(work.run.data):
        del state.done[f"{work.run.node_id}#{work.run.visit}"]
        _returns(graph, state, work, NodeResult.model_validate(kept.result).value)
        return None
    run = replace(work.run, key=next_key(state, work.run.node_id, work.run.visit))
    if isinstance(run, Wait) and run.request_id is not None:
        run = replace(run, request_id=waits.request_id(run.what, line.temporal_id, run.key, line.lineage))
        state.notices.append(Notice(run))
    if isinstance(run, Child):
        run = replace(run, temporal_id=children.child_id(run.map, line, run.key))
    state.in_flight[run.key] = replace(work, run=run)
    return run


def pass_time(graph: Graph, state: ExecutionState, now: datetime) -> bool:
    """End what is overdue, and what waited for an event that is there; return whether anything ended."""
    called = call_events.pass_time(state, now)
    overdue = waits.expire(state, now)
    for work, failure in overdue:
        node = graph.nodes[work.run.node_id]
        if not forks.stands(state, work.token):
            continue  # the one before took its branch along
        if failure is None:
            _returns(graph, state, work, None)
        elif work.loop is None or not agents.fail(state, work, failure):
            _in_vain(graph, state, node, work, failure)
    waits.escalate(state, now)
    met = waits.deliver(graph, state)
    for work, payload in met:
        if forks.stands(state, work.token):
            _returns(graph, state, work, payload)
    return bool(called or overdue or met)


def answer(graph: Graph, state: ExecutionState, key: str, value: Json, by: str) -> None:
    """Take a person's answer, which was checked."""
    work = state.in_flight[key]
    try:
        waits.answer(graph, state, key, value, by)
    except NODE_ERRORS as error:
        node = graph.nodes[work.run.node_id]
        failed(graph, state, node, work.token, failure_of(node, work.run.visit, error))
        return
    if work.loop is not None:
        question = isinstance(work.run, Wait) and work.run.what == "question"
        agents.answered(state, work, value if question else waits.decision({**value, "by": by}))


def failed(graph: Graph, state: ExecutionState, node: GraphNode, token: Token, failure: NodeFailure) -> None:
    """Follow the node's error edge, or fail the branch around it, or the execution."""
    error = {"code": failure.code, "message": failure.message, "attempt": failure.attempt}
    state.outputs[node.id] = {"error": error}
    way = None
    try:
        if failure.code == "timeout":
            way = choose(state, node, "timeout")
        way = way or choose(state, node, "error")
    except ExpressionError as broken:
        failure = failure_of(node, failure.visit, broken)
    if way is None:
        forks.fail_branch(graph, state, node, token, failure)
        return
    state.ready.append(Token(node_id=state.follow(way), forks=token.forks, labels=token.labels, last={"error": error}))


def _returns(graph: Graph, state: ExecutionState, work: InFlight, value: Json) -> None:
    node = graph.nodes[work.run.node_id]
    try:
        node_done(graph, state, work.run, work.token, value)
    except NODE_ERRORS as error:
        failed(graph, state, node, work.token, failure_of(node, work.run.visit, error))


def _in_vain(graph: Graph, state: ExecutionState, node: GraphNode, work: InFlight, failure: NodeFailure) -> None:
    """Go the way that the author named for a wait in vain, else that of a failure."""
    label = getattr(node.data, "on_timeout", None) if isinstance(work.run, Wait) else None
    way = next((way for way in node.ways if way.label == label), None) if label is not None else None
    if way is None:
        failed(graph, state, node, work.token, failure)
        return
    work.token.way = way.id
    value = {"decision": "expired", "by": "", "reason": None, "modified_arguments": None}
    _returns(graph, state, work, value if isinstance(work.run, Wait) and work.run.what == "approval" else None)


def _drive(graph: Graph, state: ExecutionState, owner: str, line: Line) -> list[Work]:
    if owner == calls.CALL:
        works, failure = calls.drive(graph, state, line)
        if failure is not None:
            failed(graph, state, graph.nodes[failure.node_id], calls.give_up(state), failure)
        return works
    if owner not in state.loops:
        return []
    works, failure = agents.drive(graph, state, owner, line)
    for work in works:
        if isinstance(work, Wait):
            state.notices.append(Notice(work))
    if failure is not None:
        loop = state.loops.pop(owner)
        failed(graph, state, graph.nodes[loop.token.node_id], loop.token, failure)
    return works


def _enter(graph: Graph, state: ExecutionState, node: GraphNode, token: Token, line: Line) -> Work | None:
    """Do what a node does when a token arrives; return the work that must be done outside."""
    if node.kind.type == "join" and not token.joined:
        forks.arrive_at_join(graph, state, node, token)
        return None
    coming = f"{node.id}#{state.visits.get(node.id, 0) + 1}"
    if segments.starts(graph, state, node) and line.graph and coming not in state.segment and coming not in state.done:
        return segments.begin(state, node, token, f"{coming}#{next_number(state)}", line.graph)
    visit = token.visit = state.visits[node.id] = state.visits.get(node.id, 0) + 1
    state.spent.steps += 1
    try:
        if node.kind.works:
            return _work(graph, state, node, token, visit, line)
        _carry_out(graph, state, node, token)
        if node.checkpoint is not None:
            return _mark(state, node, token, visit)
        _carry_on(graph, state, node, token)
    except NODE_ERRORS as error:
        failed(graph, state, node, token, failure_of(node, visit, error))
    return None


def _finish(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> Work | None:
    """Make the checkpoint of a node whose work is done, or go on from it."""
    token.done = False
    if node.checkpoint is not None:
        return _mark(state, node, token, token.visit)
    try:
        leave(graph, state, node, token)
    except NODE_ERRORS as error:
        failed(graph, state, node, token, failure_of(node, token.visit, error))
    return None


def _work(graph: Graph, state: ExecutionState, node: GraphNode, token: Token, visit: int, line: Line) -> Work | None:
    """Command the work of a node, unless an ended line has left its result."""
    if calls.speaks(node):
        failure = calls.enter(state, node, token, visit)
        if failure is not None:
            failed(graph, state, node, token, failure)
        return None
    data = node.kind.resolve(node.data, state.scope())
    kept = state.done.pop(f"{node.id}#{visit}", None)
    if kept is not None and kept.digest == digest(data):
        run = _run(state, node, visit, data)
        node_done(graph, state, run, token, NodeResult.model_validate(kept.result).value)
        return None
    inside = state.segment.pop(f"{node.id}#{visit}", None)
    if inside is not None and inside.digest == digest(data):
        _take_inside(graph, state, node, token, _run(state, node, visit, data), inside)
        return None
    if state.engine > 1 and isinstance(node.data, AgentData) and node.data.loops:
        token.visit = visit
        agents.enter(state, node, AgentLoop(token=token, data=data))
        return None
    if state.engine > 5 and isinstance(node.data, ToolData) and node.data.require_approval:
        token.visit = visit
        agents.enter(state, node, agents.lone_call(token, data))
        return None
    if node.kind.child is not None:
        return _begin_child(graph, state, node, token, _run(state, node, visit, data), line)
    if node.kind.waits_for is None:
        return _dispatch(state, token, _run(state, node, visit, data))
    key = next_key(state, node.id, visit)
    wait = waits.make_wait(node, visit, key, data, line.now, line.lineage, line.temporal_id, state.engine)
    if wait.request_id is not None:
        state.notices.append(Notice(wait))
    return _dispatch(state, token, wait)


def _take_inside(graph: Graph, state: ExecutionState, node: GraphNode, token: Token, run: Run, done: DoneWork) -> None:
    """Take what a segment brought for a node, as if its work had just ended."""
    if done.failure is not None:
        used(state, done.usage if state.engine > 3 else None)
        failed(graph, state, node, token, done.failure)
        return
    result = NodeResult.model_validate(done.result)
    used(state, result.usage)
    returned(graph, state, node, result.value)
    traced(state, node, run, token, result.value, result.usage)
    token.last = result.value
    leave(graph, state, node, token)


def _begin_child(
    graph: Graph, state: ExecutionState, node: GraphNode, token: Token, run: Run, line: Line
) -> Work | None:
    """Command a child execution or a map; one that cannot be fails the node, and a map of nothing is done at once."""
    if run.data.get("items") == []:
        node_done(graph, state, run, token, [])
        return None
    child = children.make_child(state, node, run, line)
    if isinstance(child, NodeFailure):
        failed(graph, state, node, token, child)
        return None
    return _dispatch(state, token, child)


def _carry_out(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Do what a kind without work does."""
    match node.kind.type:
        case "start":
            token.last = state.input
        case "transform":
            token.last = values = node.kind.resolve(node.data, state.scope())
            for key, value in values.items():
                write(graph, state, key, value)
        case "join":
            pass  # the branches' results are in token.last already
        case _:
            return
    returned(graph, state, node, token.last)


def _carry_on(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Go on from a node, after its checkpoint if it has one."""
    match node.kind.type:
        case "parallel":
            forks.fork(state, node, token)
        case "end":
            _end(graph, state, node, token)
        case _:
            leave(graph, state, node, token)


def _end(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    end = node.kind.resolve(node.data, state.scope())
    state.outputs[node.id] = end["output"]
    if end["status"] == "failed":
        state.failure = NodeFailure(
            code="failed",
            message=end["error"] or f"the execution ended at node {node.name!r}",
            node_id=node.id,
            visit=state.visits[node.id],
        )
        return
    state.output = {**(state.output or {}), **end["output"]}
    forks.close_branch(graph, state, token)


def _run(state: ExecutionState, node: GraphNode, visit: int, data: JsonObject) -> Run:
    activity = node.kind.activity or MARK_CHECKPOINT
    return Run(
        key=f"{node.id}#{visit}#{state.dispatched + 1}",
        node_id=node.id,
        visit=visit,
        summary=node.name,
        activity=activity.name,
        data=data,
        timeout=node.timeout,
        retry=node.data.retry,
        checkpoint=node.checkpoint,
    )


def _mark(state: ExecutionState, node: GraphNode, token: Token, visit: int) -> Work:
    """Command the activity that is nothing but a checkpoint."""
    run = replace(_run(state, node, visit, {}), activity=MARK_CHECKPOINT.name)
    return _dispatch(state, token, run)


def _dispatch(state: ExecutionState, token: Token, work: Work) -> Work:
    """Put work under way under its key."""
    if isinstance(work, Run):
        work = replace(work, key=next_key(state, work.node_id, work.visit))
    state.in_flight[work.key] = InFlight(run=work, token=token)
    return work
