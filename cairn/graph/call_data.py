"""What the work of a call is given, and what becomes of what it brings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import cast

from cairn.contracts.calls import EXTRACTS, ON_THE_PHONE
from cairn.contracts.json import Json, JsonObject
from cairn.graph.compiled import Graph, GraphNode, Way
from cairn.graph.dialogs import Call, Said
from cairn.graph.expressions import ExpressionError
from cairn.graph.nodes.base import NodeData, evaluate, render
from cairn.graph.nodes.voice import (
    END_CALL,
    GLOBAL_NODE,
    AgentNodeData,
    ExtractionData,
    ExtractionVariable,
    PromptData,
    StartCallData,
)
from cairn.graph.results import NODE_ERRORS, traced, write
from cairn.graph.state import ExecutionState, Run
from cairn.graph.token import Token
from cairn.graph.transitions import transition_name

_SPEAK = f"{ON_THE_PHONE} What you write is said aloud: short, plain sentences, no lists, no markup."
_LEAD_ON = (
    "A function that leads on takes the caller to the next part of the call. Call it, alone, as soon as what its"
    " description says is so; never announce it."
)
_CLOSE = "Say goodbye now. The call ends after your words."
_EXTRACT = f"{EXTRACTS} Give only values that the caller has stated or confirmed; leave out all others."
_CONTEXTS = ("initial_context", "dynamic_variables")


class Rambling(ValueError):
    """A model does not come to an answer."""

    code = "max_turns"


def scope(state: ExecutionState) -> JsonObject:
    """Return the names that the texts of a voice graph see: what was given, fetched, extracted, and the usual ones."""
    given, gathered = members(state.input), state.call.variables if state.call is not None else {}
    defaults = state.call.defaults if state.call is not None else {}
    # A member of the input is a name, too, but one that all others hide.
    known = {**{name: defaults[name] for name in defaults if name not in given}, **state.values, **state.scope()}
    return {**known, "initial_context": state.input, "gathered_context": gathered}


def given(state: ExecutionState, names: Sequence[str]) -> JsonObject:
    """Return what texts see of some names."""
    seen = {**members(state.input), **scope(state)}
    return {name: seen[name] for name in names if name in seen}


def members(value: Json) -> JsonObject:
    """Return an object's members; none of what is no object."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def note(call: Call, node_id: str, what: str, code: str, message: str) -> None:
    """Write down, once, what went wrong beside the conversation."""
    problem = {"node_id": node_id, "what": what, "code": code, "message": message}
    if problem not in call.problems:
        call.problems.append(problem)


def decided(state: ExecutionState, call: Call, node: GraphNode) -> Way | None:
    """Return the first edge whose expression holds; one that cannot be evaluated (yet) does not hold."""
    for way in node.ways:
        if way.on != "success" or way.expression is None:
            continue
        try:
            if evaluate(way.expression, state.scope()) is True:
                return way
        except ExpressionError as error:
            note(call, node.id, f"edge {way.label}", error.code, str(error))
    return None


def turn(graph: Graph, state: ExecutionState, call: Call, node: GraphNode, ways: Sequence[Way]) -> JsonObject:
    """Return what the model is given that speaks at a node. Raises ``TemplateError``."""
    data = node.data
    return {
        "system": _instructions(graph, state, node, bool(ways)),
        "history": call.history,
        "unsaid": list(call.unsaid),
        "heard": call.heard,
        "results": list(call.results),
        "tools": list(data.tool_uuids or ()) if isinstance(data, AgentNodeData) else [],
        "transitions": [{"name": transition_name(w.label), "description": w.condition or w.label} for w in ways],
    }


def _instructions(graph: Graph, state: ExecutionState, node: GraphNode, leads_on: bool) -> str:
    names, data = scope(state), node.data
    parts = [_SPEAK]
    if isinstance(data, PromptData):
        if data.add_global_prompt:
            shared = (n.data for n in graph.nodes.values() if n.kind.type == GLOBAL_NODE)
            parts += [render(each.prompt, names) for each in shared if isinstance(each, PromptData)]
        parts.append(render(data.prompt, names))
    if leads_on:
        parts.append(_LEAD_ON)
    if node.kind.type == END_CALL:
        parts.append(_CLOSE)
    return "\n\n".join(parts)


def fetch(state: ExecutionState, data: StartCallData) -> JsonObject | None:
    """Return the request for data before the call; None when none is wanted. Raises ``TemplateError``."""
    given = members(state.input)
    number = given.get("phone_number")
    direction = given.get("direction") or ("outbound" if number else "inbound")
    if data.pre_call_fetch_mode not in ("always", direction) or not data.pre_call_fetch_url:
        return None
    event = f"call_{direction}"
    told: JsonObject = {"execution_id": state.execution.get("id"), "agent_id": state.execution.get("workflow_id")}
    told |= {"from_number": None, "to_number": number} if direction == "outbound" else {"from_number": number}
    return {
        "method": "POST",
        "url": render(data.pre_call_fetch_url, scope(state)),
        "headers": {},
        "body": {"event": event, event: told, "initial_context": given},
        "has_body": True,
        "credential_uuid": data.pre_call_fetch_credential_uuid,
    }


def take_fetched(graph: Graph, state: ExecutionState, call: Call, value: JsonObject) -> None:
    """Keep the variables of a reply: its ``initial_context``, else all of it."""
    body = members(value.get("body"))
    for name in ("call_inbound", "call_outbound", *_CONTEXTS):
        body = members(body.get(name)) or body
    if not body:
        note(call, graph.start, "fetch", "invalid_reply", "the reply is no JSON object with members")
    for name, each in body.items():
        _keep(graph, state, call, name, each)


def extraction(state: ExecutionState, call: Call, node: GraphNode, token: Token) -> JsonObject | None:
    """Return what a model is given that reads values out of a visit of a node; None when there is nothing to read."""
    data: NodeData = node.data
    if not isinstance(data, ExtractionData) or not data.extraction_enabled or not data.extraction_variables:
        return None
    # At an End Call nobody answers any more: its values are those of the whole call.
    spoken = call.transcript if node.kind.type == END_CALL else _visit(call, token)
    if not any(said.role == "caller" for said in spoken):
        return None
    properties = {variable.name: _property(variable) for variable in data.extraction_variables}
    asked = render(data.extraction_prompt, scope(state)) if data.extraction_prompt else ""
    return {
        "system": f"{_EXTRACT}\n\n{asked}".strip(),
        "prompt": as_text(call.transcript),
        "output_schema": {"type": "object", "properties": properties, "additionalProperties": False},
        "tools": [],
        "unheard": True,
    }


def _property(variable: ExtractionVariable) -> JsonObject:
    return {"type": variable.type, **({"description": variable.prompt} if variable.prompt else {})}


def take_variables(graph: Graph, state: ExecutionState, call: Call, found: Json) -> None:
    """Keep the values that were extracted: for texts and expressions, and for the record of the call."""
    for name, value in members(found).items():
        if value is not None and _keep(graph, state, call, name, value):
            call.variables[name] = value


def _keep(graph: Graph, state: ExecutionState, call: Call, name: str, value: Json) -> bool:
    try:
        write(graph, state, name, value)
    except NODE_ERRORS as error:
        note(call, call.token.node_id if call.token else "", f"variable {name}", "state_schema", str(error))
        return False
    return True


def show_visit(state: ExecutionState, call: Call, node: GraphNode, token: Token) -> JsonObject:
    """Keep as the node's output what a visit has come to so far, and return it."""
    data: NodeData = node.data
    wanted = data.extraction_variables or () if isinstance(data, ExtractionData) else ()
    value: JsonObject = {
        "transcript": [{"role": said.role, "text": said.text} for said in _visit(call, token)],
        "variables": {each.name: call.variables[each.name] for each in wanted if each.name in call.variables},
    }
    state.outputs[node.id] = value
    return value


def close_visit(state: ExecutionState, call: Call, node: GraphNode, token: Token) -> None:
    """Keep what a visit of a node, which ends, has come to."""
    value = show_visit(state, call, node, token)
    visit = Run(
        key=f"{node.id}#{token.visit}",
        node_id=node.id,
        visit=token.visit,
        summary=node.name,
        activity="",
        data={},
        timeout=None,
        retry=node.data.retry,
    )
    traced(state, node, visit, token, value)


def _visit(call: Call, token: Token) -> list[Said]:
    """Return what was said at a node since it was entered."""
    return list(takewhile(lambda said: said.node_id == token.node_id, reversed(call.transcript)))[::-1]


def as_text(transcript: Sequence[Said]) -> str:
    """Return a transcript to read."""
    lines = (f"{said.role.capitalize()}: {said.text}" for said in transcript if said.text)
    return "\n".join(lines)
