"""Payloads of the activities that do a node's work, and the references to them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import Usage
from cairn.contracts.json import Json, JsonObject

PARKED = "parked"
"""Error type of an activity that was dispatched by a reset of its execution and must not run."""

OVER_BUDGET = "over_budget"
"""Error type of an activity that may ask no model, since the monthly budget is used up: its execution pauses."""


class NodeCall(BaseModel):
    """Input of every activity that does a node's work.

    Attributes:
        execution_id: the execution.
        temporal_id: its Temporal workflow id.
        tenant: its owner.
        live: False for executions of a test key.
        run_id: the workflow run that scheduled this call. An activity that finds itself in another run was dispatched
            anew by a reset while its execution is paused: it must fail as ``parked`` before doing anything.
        lineage: the line of the execution (see ``Command.lineage``).
        node_id: the node.
        visit: which visit of the node, from 1.
        data: what the node's kind resolved for its activity (texts rendered, expressions evaluated).
        timeout: seconds that one attempt may take.
        call: which of several calls of one visit it is (a tool call of an agent); empty when there is only one.
    """

    execution_id: str
    temporal_id: str
    tenant: str
    live: bool = True
    run_id: str
    lineage: str
    node_id: str
    visit: int
    data: JsonObject = Field(default_factory=dict)
    timeout: float | None = None
    call: str = ""

    @property
    def idempotency_key(self) -> str:
        """Key of the outside effects of this call: Temporal's retries share it, a replay has a new one."""
        key = f"{self.execution_id}/{self.node_id}/{self.visit}/{self.lineage}"
        return f"{key}/{self.call}" if self.call else key


class ConversationTurn(BaseModel):
    """Which turn of a conversation an agent takes.

    Attributes:
        id: the conversation.
        message_id: the person's message; those before it are the turn's context.
        model: asked in this turn in place of the agent's own.
        aside: the agent only helps the one that takes the turn: it is not told what was said before, and what it says
            is none of the conversation's messages.
    """

    id: str
    message_id: str
    model: str | None = None
    aside: bool = False


class NodeResult(BaseModel):
    """Result of every activity that does a node's work.

    Attributes:
        value: what the node returns.
        usage: use of models, if any.
        model: which model answered, if one was asked; ``offline`` is templates and no model.
    """

    value: Json = None
    usage: Usage | None = None
    model: str | None = None


RUN_AGENT = ActivityRef("run_agent", NodeCall, NodeResult)
"""``data``: prompt, system?, model?, own? ({api_key?, endpoint?} of the author, the key encrypted), tools,
output_schema?, max_turns, max_cost?, temperature?, conversation? (``ConversationTurn``), use_case? (whose model of the
tenant's is asked)."""

RUN_TOOL = ActivityRef("run_tool", NodeCall, NodeResult)
"""``data``: tool, arguments, approved? (a person has agreed to the call), given? (what the texts of a call see of the
names that the tool reads)."""

HTTP_REQUEST = ActivityRef("http_request", NodeCall, NodeResult)
"""``data``: method, url, headers, body, has_body, expect."""

MARK_CHECKPOINT = ActivityRef("mark_checkpoint", NodeCall, NodeResult)
"""Does nothing: its completion is the checkpoint of a node that has no I/O of its own. ``data`` is empty."""

FINAL_RESULT = "final_result"
"""The tool by which pydantic-ai has a model give a structured answer: one of the loop's own, and no tool to people."""

ASK_USER = "ask_user"
"""The tool by which an agent's model asks people; its calls are waits, not activities."""

CALL_MODEL = ActivityRef("call_model", NodeCall, NodeResult)
"""One turn of an agent with tools. ``data``: prompt, system?, model?, tools, output_schema?, temperature?,
conversation? (``ConversationTurn``), use_case?, asks? (``ASK_USER`` is among its tools), history (reference of the
turns so far, None at first), results ([{id, tool, value? or error?}] of the calls that the last turn asked for).
Result: {history, calls: [{id, tool, arguments}], text? (said beside them)} or {history, answer}."""

BUILD_CONTEXT = ActivityRef("build_context", NodeCall, NodeResult)
"""``data``: agent (uuid of the graph that runs), blocks and skills (names), conversation (``ConversationTurn`` or
None), variables. Result: {system, user (texts), blocks: [{name, message, tokens, cached}], skills (names), tokens}."""

RETRIEVE = ActivityRef("retrieve", NodeCall, NodeResult)
"""``data``: agent (uuid of the graph that runs), query, skills (names), blocks (names), top_k. Result: [{id,
source, title, content, score, metadata}]."""

RUN_CODE = ActivityRef("run_code", NodeCall, NodeResult)
"""``data``: code, input, state, arguments."""

CALL_MCP = ActivityRef("call_mcp", NodeCall, NodeResult)
"""``data``: server, tool, arguments."""

RUN_SCORE = ActivityRef("run_score", NodeCall, NodeResult)
"""``data``: rubric, rubric_id?, of, model?."""

RUN_SEGMENT = ActivityRef("run_segment", NodeCall, NodeResult)
"""Nodes that may be done again, one after the other. ``data``: graph (GraphRef), node_id, last, state (what the nodes
see of the execution's). Result: {done: [DoneWork], checkpoint: name of the checkpoint that its end is, node_id}."""
