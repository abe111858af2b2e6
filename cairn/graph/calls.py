"""The call of a voice graph: a conversation that goes from node to node, turn by turn.

What the caller says comes as an outside event, what the agent says from one activity a turn, whose completion is the
turn's checkpoint. All between them happens here: greetings, the ways that expressions and models choose, what is said
on them, tools, extraction, silence and the end. What follows the call is in :mod:`cairn.graph.after_call`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairn.contracts.calls import SPEAK, UTTERANCE
from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import HTTP_REQUEST, RUN_AGENT, RUN_TOOL, NodeResult
from cairn.graph import after_call, call_data
from cairn.graph.call_events import hang_up
from cairn.graph.call_work import CALL, busy, make_extraction, make_run, make_wait, wait_for
from cairn.graph.compiled import Graph, GraphNode, Way
from cairn.graph.dialogs import COMPLETED, Call, Said, ToolCall
from cairn.graph.nodes.base import render
from cairn.graph.nodes.voice import (
    END_CALL,
    START_CALL,
    PromptData,
    StartCallData,
)
from cairn.graph.results import NODE_ERRORS, failure_of
from cairn.graph.state import ExecutionState, InFlight, Line, Run, Work
from cairn.graph.token import Token
from cairn.graph.transitions import way_named
from cairn.graph.waits import later

MAX_ASKED = 20
"""So often a model is asked between two utterances at most."""
_DELAY = 2.0
"""Seconds that a delayed start takes where its author says none."""


def begin(graph: Graph, configuration: JsonObject) -> Call | None:
    """Return the call of an execution that begins; None when its graph is no voice graph."""
    if graph.nodes[graph.start].kind.type != START_CALL:
        return None
    return Call(
        max_duration=min(_number(configuration.get("max_call_duration"), 300), 1200),
        idle_timeout=min(_number(configuration.get("max_user_idle_timeout"), 10), 3600),
        codes=call_data.members(configuration.get("call_disposition_codes")),
        defaults=call_data.members(configuration.get("template_context_variables")),
    )


def _number(value: Json, otherwise: float) -> float:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric and value > 0 else otherwise


def speaks(node: GraphNode) -> bool:
    """Whether a call goes through the node."""
    return isinstance(node.data, PromptData) and node.kind.activity is SPEAK


def enter(state: ExecutionState, node: GraphNode, token: Token, visit: int) -> NodeFailure | None:
    """Let the call come to a node; return why it cannot."""
    call = state.call
    if call is None or call.token is not None:
        code, said = ("no_call", "there is no call") if call is None else ("call_busy", "another node is speaking")
        return NodeFailure(code=code, message=f"node {node.name!r}: {said}", node_id=node.id, visit=visit)
    token.visit = visit
    call.token, call.fresh, call.opened, call.way, call.extracted = token, True, False, None, False
    state.due.append(CALL)
    return None


def complete(graph: Graph, state: ExecutionState, work: InFlight, result: NodeResult) -> None:
    """Take what a piece of work of the call has brought."""
    call, run = state.call, work.run
    if call is None or not isinstance(run, Run):
        return
    state.due.append(CALL)
    if run.activity == SPEAK.name:
        _spoke(graph, call, run, result.value)
        call_data.show_visit(state, call, graph.nodes[run.node_id], work.token)
    elif run.activity == RUN_TOOL.name:
        call.tools[work.call or 0].result = {"value": result.value}
    elif call.token is None:
        after_call.take(state, call, graph.nodes[run.node_id], run, result.value)
    elif run.activity == RUN_AGENT.name:
        call_data.take_variables(graph, state, call, result.value)
    elif run.activity == HTTP_REQUEST.name:
        call_data.take_fetched(graph, state, call, result.value)


def fail(state: ExecutionState, work: InFlight, failure: NodeFailure) -> bool:
    """Take the failure of work of the call; return False when the node fails by it: the model has nothing to say."""
    call, run = state.call, work.run
    if call is None or not isinstance(run, Run):
        return False
    state.due.append(CALL)
    if run.activity == SPEAK.name:
        call.token = None
        return False
    if run.activity == RUN_TOOL.name:
        call.tools[work.call or 0].result = {"error": failure.message}
        return True
    if call.token is None:
        state.outputs[run.node_id] = {"error": {"code": failure.code, "message": failure.message}}
    call_data.note(call, run.node_id, run.summary, failure.code, failure.message)
    return True


def _spoke(graph: Graph, call: Call, run: Run, value: JsonObject) -> None:
    """Take a turn of the model."""
    node = graph.nodes[run.node_id]
    if value["text"]:
        call.transcript.append(Said("agent", value["text"], node.id, call.turn))
    call.history, call.heard, call.opened = value["history"], None, True
    call.results, call.unsaid = [], []
    call.tools = [
        ToolCall(each["id"], each["tool"], each["arguments"], names=each.get("names") or []) for each in value["calls"]
    ]
    for asked in value["transitions"]:
        way = way_named(judged(node), asked["name"])
        if way is None:  # a migration took it away while the model was asked
            told: JsonObject = {"error": "there is no such way any more"}
        elif call.way is None:
            call.way, told = way.id, {"value": {"status": "done"}}
        else:
            told = {"error": "the call went another way"}
        call.results.append({"id": asked["id"], "tool": asked["name"], **told})


# What to do.


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where the call stands."""

    graph: Graph
    state: ExecutionState
    call: Call
    node: GraphNode
    token: Token
    now: datetime


def drive(graph: Graph, state: ExecutionState, line: Line) -> tuple[list[Work], NodeFailure | None]:
    """Return what the call is to do next, or why the node fails in which it stands."""
    call = state.call
    if call is None or call.finished or busy(state):
        return [], None
    if call.disposition is not None:
        return after_call.drive(graph, state, call), None
    if call.token is None:
        return [], None
    at = _Stand(graph, state, call, graph.nodes[call.token.node_id], call.token, line.now)
    try:
        return _next(at), None
    except (*NODE_ERRORS, call_data.Rambling) as error:
        return [], failure_of(at.node, at.token.visit, error)


def give_up(state: ExecutionState) -> Token:
    """Take the call off the node that fails, and return its place there."""
    call = state.call
    if call is None or call.token is None:
        raise AssertionError("no node of a call has failed")
    token, call.token = call.token, None
    return token


def _next(at: _Stand) -> list[Work]:
    """Return what is to be done at the node. Raises as expressions and texts do."""
    call = at.call
    if call.stage != "talk" and isinstance(at.node.data, StartCallData):
        work = _open(at, at.node.data)
        if work is not None:
            return [work]
    works: list[Work] = _keep_duration(at)
    if call.tools:
        waiting = [index for index, tool in enumerate(call.tools) if tool.result is None]
        if waiting:
            return works + [_tool(at, index) for index in waiting]
        call.results += [{"id": t.id, "tool": t.tool, **(t.result or {})} for t in call.tools]
        call.tools.clear()
    if call.way is None and (call.fresh or call.heard is not None):
        call.fresh = False
        way = call_data.decided(at.state, call, at.node)
        call.way = way.id if way is not None else None
    return works + (_leave(at) if call.way is not None else _answer(at))


def _open(at: _Stand, data: StartCallData) -> Work | None:
    """Return what comes before the first word: data that is fetched, a pause; then the greeting is said."""
    call, name = at.call, at.node.name
    if call.stage == "fetch":
        call.stage = "delay"
        wanted = call_data.fetch(at.state, data)
        if wanted is not None:
            return make_run(
                at.state,
                at.node,
                at.token,
                activity=HTTP_REQUEST.name,
                summary=f"{name}: fetch",
                call="fetch",
                data=wanted,
                timeout=10.0,
                checkpoint=f"{name}: fetch",
            )
    if call.stage == "delay":
        duration = data.delayed_start_duration or (_DELAY if at.state.engine > 3 else None)
        if data.delayed_start and duration:
            until = later(at.now, duration)
            return make_wait(at.state, at.node, at.token, "delay", f"{name}: delayed start", until)
        call.stage = "greet"
    call.stage = "talk"
    audio = data.greeting_type == "audio"
    text = render(data.greeting, call_data.scope(at.state)) if data.greeting and not audio else ""
    if text or (audio and data.greeting_recording_id):
        _say(at, text, data.greeting_recording_id if audio else None)
        call.opened = True
    return None


def _keep_duration(at: _Stand) -> list[Work]:
    """Begin the call's time, and see to it that it ends."""
    call = at.call
    if call.began_at is None:
        call.began_at = at.now
    if wait_for(at.state, "duration") is not None:
        return []
    until = later(call.began_at, call.max_duration)
    return [make_wait(at.state, at.node, at.token, "duration", "longest call", until)]


def _answer(at: _Stand) -> list[Work]:
    """Have the model speak when there is something to say; else listen to the caller, or end the call."""
    call = at.call
    if not call.opened or call.heard is not None or call.results:
        return [_speak(at)]
    if at.node.kind.type == END_CALL:
        hang_up(at.state, call, COMPLETED, at.now)
        return after_call.drive(at.graph, at.state, call)
    if wait_for(at.state, UTTERANCE) is not None:
        return []
    silence = later(at.now, call.idle_timeout)
    return [make_wait(at.state, at.node, at.token, UTTERANCE, f"{at.node.name} listens", silence)]


def judged(node: GraphNode) -> list[Way]:
    """Return the edges of a node that its model may choose."""
    return [way for way in node.ways if way.on == "success" and way.expression is None]


def _say(at: _Stand, text: str, recording: str | None = None) -> None:
    """Say a line that no model has made."""
    at.call.transcript.append(Said("agent", text, at.node.id, at.call.turn, at.now, recording_id=recording))
    if text:
        at.call.unsaid.append(text)


def _leave(at: _Stand) -> list[Work]:
    """Go the way that was chosen, once the values of the visit are extracted."""
    state, call, node, token = at.state, at.call, at.node, at.token
    way = next(way for way in node.ways if way.id == call.way)
    work = make_extraction(state, call, node, token)
    if work is not None:
        return [work]
    if way.speech or way.recording:
        _say(at, render(way.speech, call_data.scope(state)) if way.speech else "", way.recording)
    call_data.close_visit(state, call, node, token)
    call.token = None
    ahead = state.follow(way)
    state.ready.append(Token(node_id=ahead, forks=token.forks, labels=token.labels, last=state.outputs[node.id]))
    return []


def _speak(at: _Stand) -> Run:
    call = at.call
    call.asked += 1
    if call.asked > MAX_ASKED:
        raise call_data.Rambling(f"the model was asked {MAX_ASKED} times and has no answer for the caller")
    return make_run(
        at.state,
        at.node,
        at.token,
        activity=SPEAK.name,
        summary=at.node.name,
        call=_numbered(call),
        data=call_data.turn(at.graph, at.state, call, at.node, judged(at.node)),
        checkpoint=turn_name(call.turn),
    )


def turn_name(turn: int) -> str:
    """Return the name of the checkpoint that a turn makes."""
    return f"turn {turn}"


def _numbered(call: Call) -> str:
    return f"turn{call.turn}" if call.asked == 1 else f"turn{call.turn}.{call.asked}"


def _tool(at: _Stand, index: int) -> Run:
    tool = at.call.tools[index]
    data: JsonObject = {"tool": tool.tool, "arguments": tool.arguments}
    if tool.names:
        data["given"] = call_data.given(at.state, tool.names)
    return make_run(
        at.state,
        at.node,
        at.token,
        activity=RUN_TOOL.name,
        summary=f"{at.node.name}: {tool.tool}",
        call=f"{_numbered(at.call)}.{tool.tool}.{index}",
        data=data,
        checkpoint=f"{turn_name(at.call.turn)}: {tool.tool}",
        index=index,
    )
