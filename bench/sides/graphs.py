"""The graphs that every side runs, as Cairn's."""

from __future__ import annotations

from typing import Literal

from talk import Job
from work import PROMPT

from cairn.contracts.json import JsonObject

Mode = Literal["step", "segment", "code"]
"""``step`` and ``segment``: the step is a tool, a plain function as with the peers; ``code``: a segment of programs in
the sandbox."""

_RETURN_INPUT = "def run(input, state):\n    return input['text']"


def node(job: Job, mode: Mode) -> JsonObject:
    """Return type and data of the node. Segments hold tools that may be called again, as the step of the bench may."""
    if job.work == "ask":
        return {"type": "agent", "data": {"model": "openai:bench", "prompt": PROMPT}}
    if mode == "code":
        return {"type": "code", "data": {"code": _RETURN_INPUT}}
    data = {"tool": "bench", "arguments": {"work": f"'{job.work}'", "size": job.size}}
    return {"type": "tool", "data": {**data, "repeatable": mode == "segment"}}


def graph(job: Job, mode: Mode) -> JsonObject:
    """Return the graph of a job."""
    return waiting() if job.work == "wait" else loop(job, mode)


def waiting() -> JsonObject:
    """Return a graph that waits for an event."""
    nodes: JsonObject = {
        "start": {"type": "start", "data": {"name": "Start"}},
        "wait": {"type": "wait", "data": {"name": "Wait", "event": {"name": "answer"}}},
        "end": {"type": "end", "data": {"name": "End"}},
    }
    return {
        "nodes": [{"id": id, "position": {"x": 0, "y": 0}, **each} for id, each in nodes.items()],
        "edges": [
            {"id": f"to-{b}", "source": a, "target": b, "data": {"label": "next"}}
            for a, b in (("start", "wait"), ("wait", "end"))
        ],
    }


def loop(job: Job, mode: Mode) -> JsonObject:
    """Return a loop over one node."""
    step = node(job, mode)
    kept = {"output": "texts"} if job.keep else {}
    size = "size(state.texts) * size(state.texts[0])" if job.keep else "size(outputs.step)"
    ends = {
        "start": {"type": "start", "data": {"name": "Start"}},
        "end": {
            "type": "end",
            "data": {"name": "End", "output": {"done": "execution.visits.step", "size": size}},
        },
    }
    data = {"name": "Step", "max_visits": job.steps, **kept, **step["data"]}
    nodes = {**ends, "step": {"type": step["type"], "data": data}}
    edges = [
        ("begin", "start", "step", {"label": "next"}),
        ("again", "step", "step", {"label": "again", "expression": f"execution.visits.step < {job.steps}"}),
        ("done", "step", "end", {"label": "done"}),
    ]
    return {
        "nodes": [{"id": id, "position": {"x": 0, "y": 0}, **each} for id, each in nodes.items()],
        "edges": [{"id": id, "source": a, "target": b, "data": data} for id, a, b, data in edges],
        "durability": "step" if mode == "step" else "segment",
        **({"state": {"texts": {"reducer": "append"}}} if job.keep else {}),
    }
