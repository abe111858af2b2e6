"""Agents that call other agents: the call is a child execution, told to the model as a tool's call is."""

from __future__ import annotations

from typing import NamedTuple, cast

from cairn.contracts.executions import ChildSeed
from cairn.contracts.json import Json, JsonObject
from cairn.graph.children import MAX_DEPTH, child_id, version_of
from cairn.graph.compiled import GraphNode
from cairn.graph.keys import next_key
from cairn.graph.nodes.agent import AgentData, SubAgent
from cairn.graph.state import AgentLoop, Child, ExecutionState, InFlight, Line, ToolCall

MAX_LEVELS = 5
"""Levels of sub-agents below an agent."""


MAX_AT_ONCE = 20
"""Sub-agents that one agent has at work at a time."""


class Refused(Exception):
    """The call cannot be made; the text is for the model."""


def named(node: GraphNode, call: ToolCall) -> SubAgent | None:
    """Return the sub-agent that a model's call is of; None for a tool's."""
    known = node.data.subagents if isinstance(node.data, AgentData) else []
    return next((each for each in known if each.name == call.tool), None)


def begin(state: ExecutionState, node: GraphNode, owner: str, index: int, subagent: SubAgent, line: Line) -> Child:
    """Put the child execution of a call under way.

    Args:
        state: of the execution; changed in place.
        node: the agent's.
        owner: id of the agent's loop.
        index: of the call in the loop's present turn.
        subagent: that is called.
        line: where and when.

    Raises:
        Refused: it was not published, agents have called one another in a circle or too deep, or too many are at work.
    """
    loop = state.loops[owner]
    call = loop.calls[index]
    name = str(subagent.workflow_id)
    ref = state.pins.get(name)
    if ref is None:
        raise Refused(f"there is no agent {call.tool!r}: it was not published when the execution began")
    above = state.agents or ([line.graph.workflow_id] if line.graph is not None else [])
    if ref.workflow_id in above:
        raise Refused(
            f"subagent_cycle: {call.tool!r} is already at work on this: an agent cannot call itself, or one above"
        )
    if len(above) > MAX_LEVELS or state.depth >= MAX_DEPTH:
        raise Refused(f"subagents_too_deep: {call.tool!r} would be more than {MAX_LEVELS} levels below the first agent")
    if sum(work.loop == owner and isinstance(work.run, Child) for work in state.in_flight.values()) >= MAX_AT_ONCE:
        raise Refused(f"too_many_subagents: at most {MAX_AT_ONCE} are at work at once; ask the others afterwards")
    key = next_key(state, node.id, loop.token.visit)
    told, again = _input(loop, call), [_input(loop, each) for each in loop.calls[index + 1 :] if each.tool == call.tool]
    number, loop.subagents = loop.subagents, loop.subagents + 1
    seeds = _seeds(state, _Called(node.id, loop.token.visit, number, ref.workflow_id, told, told in again))
    child = Child(
        key=key,
        node_id=node.id,
        visit=loop.token.visit,
        summary=f"{node.name}: {call.tool}",
        temporal_id=child_id(False, line, key),
        graph=version_of(seeds, ref),
        data={"workflow_id": name, "input": told},
        seeds=seeds,
        index=number,
        agents=[*above, ref.workflow_id],
    )
    state.in_flight[key] = InFlight(child, loop.token, owner, index)
    return child


def answer_of(output: Json) -> Json:
    """Return what a sub-agent answers: an agent's graph ends with ``{content}``."""
    told = cast("JsonObject", output) if isinstance(output, dict) else {}
    return told.get("content", output)


def with_context(message: str, context: str) -> str:
    """Return a message to an agent with what it should know besides."""
    return f"<context>\n{context}\n</context>\n\n{message}"


def _input(loop: AgentLoop, call: ToolCall) -> JsonObject:
    """Return the child's input; in a turn of a conversation it asks the tenant's models as the turn does."""
    message, context = str(call.arguments.get("message")), call.arguments.get("context")
    told: JsonObject = {"message": with_context(message, str(context)) if context else message}
    turn: JsonObject | None = loop.data.get("conversation")
    if turn is not None:
        told["conversation"] = {"id": turn["id"], "message_id": turn["message_id"], "aside": True}
    return told


class _Called(NamedTuple):
    """A call: the agent's visit, which of its calls, of whom, told what; whether it is called just so once more."""

    node_id: str
    visit: int
    number: int
    graph: str
    input: JsonObject
    again: bool


def _seeds(state: ExecutionState, call: _Called) -> list[ChildSeed]:
    """Take what the child goes on from after a replay.

    That belongs to the call that it was made for. A model that is asked anew may make it at another place, or not at
    all: then it is nobody's. What resets of earlier versions made does not say for which call: its place does.
    """
    here = [seed for seed in state.seeds if (seed.node_id, seed.visit) == (call.node_id, call.visit)]
    placed = [seed for seed in here if seed.input is None and seed.index == call.number]
    meant = [seed for seed in here if seed.input == call.input and _graph_of(seed) == call.graph]
    meant = [seed for seed in meant if seed.index == call.number or not call.again][:1]
    state.seeds = [seed for seed in state.seeds if seed not in placed and seed not in meant]
    return meant or [seed for seed in placed if _graph_of(seed) == call.graph]


def _graph_of(seed: ChildSeed) -> str:
    return seed.state["state"]["execution"]["workflow_id"]
