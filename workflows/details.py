"""What operators read of an execution in the Temporal Web UI."""

from __future__ import annotations

from cairn.graph.engine import Engine


def details_of(engine: Engine) -> str:
    """Return a Markdown view of progress."""
    state = engine.state
    lines = [f"**{engine.phase}**" + (f": {engine.detail}" if engine.detail else "")]
    lines += [f"- {len(state.visits)} of {len(engine.graph.nodes)} nodes entered, revision {engine.revision}"]
    lines += [f"- at **{work.run.summary}** (visit {work.run.visit})" for work in state.in_flight.values()]
    return "\n".join(lines)
