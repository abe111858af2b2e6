"""What follows a call: the last values are extracted, reviews judge it, webhooks tell of it. None loses the call."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import cast

from cairn.contracts.calls import CallRecord
from cairn.contracts.executions import Phase
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import HTTP_REQUEST, RUN_AGENT
from cairn.graph import call_data
from cairn.graph.call_work import busy, make_extraction, make_run
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.dialogs import Call
from cairn.graph.nodes.base import render
from cairn.graph.nodes.review import QA, QaData, named_model
from cairn.graph.nodes.voice import WEBHOOK, WebhookData
from cairn.graph.results import NODE_ERRORS, traced
from cairn.graph.state import ExecutionState, Run, Work
from cairn.graph.token import Token

VOICEMAIL = "voicemail_detected"
"""The disposition of calls that a machine took."""

_REVIEW = "You review phone calls. Judge the call by its transcript."
_REVIEW_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "description": "Two sentences on what was said and what came of it."},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
        "sentiment": {"type": "string", "enum": ["neutral", "positive", "negative"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 10, "description": "How well the agent did."},
    },
    "required": ["summary", "tags"],
}
_ONE_VALUE = re.compile(r"\{\{\s*([A-Za-z_]\w*(?:\.\w+)*)\s*\}\}", re.ASCII)


def drive(graph: Graph, state: ExecutionState, call: Call) -> list[Work]:
    """Return what is to be done next now that the call has ended."""
    if busy(state) or call.finished:
        return []
    if call.token is not None:
        node = graph.nodes[call.token.node_id]
        work = _extraction(state, call, node, call.token)
        if work is not None:
            return [work]
        call_data.close_visit(state, call, node, call.token)
        call.token = None
    if call.after is None:
        # What reviews find is part of what webhooks tell.
        call.after = [node.id for kind in (QA, WEBHOOK) for node in graph.nodes.values() if node.kind.type == kind]
    call.after = [node_id for node_id in call.after if node_id in graph.nodes]  # a migration may take some away
    works: list[Work] = []
    kinds = [graph.nodes[node_id].kind.type for node_id in call.after]
    while kinds and (not works or kinds[0] == kinds_of(graph, works)):
        kinds.pop(0)
        work = _after(state, call, graph.nodes[call.after.pop(0)])
        works += [work] if work is not None else []
    if not works:
        _finish(state, call)
    return works


def kinds_of(graph: Graph, works: list[Work]) -> str:
    """Return of what kind the nodes are that work."""
    return graph.nodes[works[0].node_id].kind.type


def _extraction(state: ExecutionState, call: Call, node: GraphNode, token: Token) -> Run | None:
    try:
        return make_extraction(state, call, node, token)
    except NODE_ERRORS as error:
        call_data.note(call, node.id, "extraction", "template", str(error))
        return None


def _finish(state: ExecutionState, call: Call) -> None:
    call.finished = True
    state.output = {
        **(state.output or {}),
        "disposition": call.outcome,
        "duration_seconds": call.seconds,
        "variables": call.variables,
        "transcript": [{"role": said.role, "text": said.text} for said in call.transcript],
    }
    state.failure = call.failure


def _after(state: ExecutionState, call: Call, node: GraphNode) -> Run | None:
    """Return the work of one node after the call; None when it has none, and why is in its output."""
    data, visit = node.data, state.visits.get(node.id, 0) + 1
    skipped = _skipped(call, node.id, data, str(state.execution.get("id")))
    wanted: JsonObject | None = None
    try:
        if skipped is None and isinstance(data, QaData):
            wanted = _review(state, call, data)
        elif skipped is None and isinstance(data, WebhookData):
            wanted = _request(state, call, data)
    except NODE_ERRORS as error:
        skipped = str(error)
        call_data.note(call, node.id, node.name, "template", skipped)
    if wanted is None:
        state.outputs[node.id] = {"skipped": skipped}
        return None
    state.visits[node.id] = visit
    return make_run(
        state,
        node,
        Token(node_id=node.id, visit=visit),
        activity=RUN_AGENT.name if isinstance(data, QaData) else HTTP_REQUEST.name,
        summary=node.name,
        call="",
        data=wanted,
        checkpoint=node.checkpoint,
    )


def take(state: ExecutionState, call: Call, node: GraphNode, run: Run, value: Json) -> None:
    """Take what a node after the call has brought."""
    state.outputs[run.node_id] = value
    traced(state, node, run, Token(node_id=run.node_id, visit=run.visit), value)
    if run.activity == RUN_AGENT.name:
        call.reviews[run.node_id] = value


def _skipped(call: Call, node_id: str, data: object, execution_id: str) -> str | None:
    """Return why a node does not run; the sample is the same for one execution however often it is replayed."""
    if isinstance(data, WebhookData):
        return "it is disabled" if not data.enabled else None if data.endpoint_url else "it has no URL"
    if not isinstance(data, QaData) or not data.qa_enabled:
        return "it is disabled"
    if call.seconds < data.qa_min_call_duration:
        return f"the call was shorter than {data.qa_min_call_duration} seconds"
    if call.disposition == VOICEMAIL and not data.qa_voicemail_calls:
        return "a machine took the call"
    drawn = int(hashlib.sha256(f"{execution_id}/{node_id}".encode()).hexdigest(), 16) % 100
    return None if drawn < data.qa_sample_rate else "the call is not in the sample"


def _review(state: ExecutionState, call: Call, data: QaData) -> JsonObject:
    wanted: JsonObject = {
        "system": render(data.qa_system_prompt, _scope(state, call)) if data.qa_system_prompt else _REVIEW,
        "prompt": f"Transcript of the call, which ended as {call.outcome}:\n{call_data.as_text(call.transcript)}",
        "model": None if data.qa_use_workflow_llm else named_model(data),
        "output_schema": _REVIEW_SCHEMA,
        "tools": [],
        "unheard": True,
    }
    if not data.qa_use_workflow_llm and (data.qa_api_key or data.qa_endpoint):
        # The key as it stands in the definition: encrypted.
        wanted["own"] = {"api_key": data.qa_api_key or None, "endpoint": data.qa_endpoint or None}
    return wanted


def _request(state: ExecutionState, call: Call, data: WebhookData) -> JsonObject:
    names = _scope(state, call)
    template = data.payload_template if data.payload_template not in (None, {}, "") else _whole(state, call)
    return {
        "method": data.http_method,
        "url": render(data.endpoint_url or "", names),
        "headers": {each.key: render(each.value, names) for each in data.custom_headers or ()},
        "body": _filled(template, names),
        "has_body": data.http_method != "GET",
        "credential_uuid": data.credential_uuid,
    }


def _scope(state: ExecutionState, call: Call) -> JsonObject:
    return {**call_data.scope(state), **_whole(state, call), "workflow_run_id": state.execution.get("id")}


def _whole(state: ExecutionState, call: Call) -> JsonObject:
    """Return all that there is to tell of the call: what a webhook sends whose author has written no payload."""
    return {
        "execution_id": state.execution.get("id"),
        "workflow_id": state.execution.get("workflow_id"),
        "initial_context": state.input,
        "gathered_context": call.variables,
        "call_disposition": call.outcome,
        "call_duration_seconds": call.seconds,
        "transcript": call_data.as_text(call.transcript),
        "annotations": call.reviews,
    }


def _filled(template: Json, names: JsonObject) -> Json:
    """Return a payload with its texts rendered; a text that is one reference becomes the value itself."""
    if isinstance(template, dict):
        return {key: _filled(value, names) for key, value in cast(JsonObject, template).items()}
    if isinstance(template, list):
        return [_filled(value, names) for value in cast(list[Json], template)]
    if not isinstance(template, str):
        return template
    whole = _ONE_VALUE.fullmatch(template)
    return _value(whole[1].split("."), names) if whole else render(template, names)


def _value(path: list[str], names: JsonObject) -> Json:
    found: Json = {**call_data.members(names["initial_context"]), **names}
    for name in path:
        found = call_data.members(found).get(name)
    return found


def record_of(state: ExecutionState, phase: Phase, temporal_id: str, run_id: str, now: datetime) -> CallRecord | None:
    """Return what is to be written down of the call; None while it goes on, and when there is none."""
    call = state.call
    over = phase in (Phase.FAILED, Phase.CANCELLED)
    if call is None or (call.disposition is None and not over):
        return None
    number = call_data.members(state.input).get("phone_number")
    reviews = [call_data.members(review) for review in call.reviews.values()]
    tags = [tag for review in reviews for tag in review.get("tags") or ()]
    ended = call.ended_at or now
    return CallRecord(
        temporal_id=temporal_id,
        run_id=run_id,
        ended_at=ended,
        disposition=call.outcome or phase.value,
        duration_seconds=call.seconds if call.ended_at else max((ended - (call.began_at or ended)).total_seconds(), 0),
        phone_number=number if isinstance(number, str) else None,
        extracted=call.variables,
        tags=list(dict.fromkeys(str(tag) for tag in tags)),
        summary=next((str(review["summary"]) for review in reviews if review.get("summary")), None),
    )
