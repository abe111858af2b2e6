"""A call that is stepped by hand, without any server."""

from __future__ import annotations

from datetime import datetime, timedelta

from machine import NOW, Machine

from cairn.contracts.executions import NodeFailure, OutsideEvent
from cairn.contracts.nodes import NodeResult
from cairn.graph import step
from cairn.graph.dialogs import Call
from cairn.graph.state import Run, Wait


class Phone(Machine):
    """A call that is stepped by hand."""

    def __init__(self, definition, input_data=None, **configuration) -> None:
        super().__init__(definition, input_data)
        self.state = step.begin(self.graph, {"id": "e", "workflow_id": "w"}, input_data or {}, configuration)
        self.state.engine = 3
        self.now = NOW

    @property
    def call(self) -> Call:
        assert self.state.call is not None
        return self.state.call

    def go(self, after: float = 0) -> list[str]:
        """Go on, some seconds later; return what activities were begun."""
        self.now += timedelta(seconds=after)
        step.pass_time(self.graph, self.state, self.now)
        before = len(self.runs)
        self.advance(self.now)
        while step.pass_time(self.graph, self.state, self.now):
            self.advance(self.now)
        begun = [run for run in self.runs[before:] if isinstance(run, Run) and run.key in self.state.in_flight]
        return [run.summary for run in begun]

    def hear(self, text, name: str = "utterance", after: float = 1) -> list[str]:
        event = OutsideEvent(event_id=f"e{len(self.state.heard)}", lineage="", name=name, payload={"text": text})
        self.state.heard.append(event.event_id)
        self.state.inbox.append(event)
        return self.go(after)

    def brought(self, value, after: float = 0) -> list[str]:
        step.complete(self.graph, self.state, self.under_way().key, NodeResult(value=value))
        return self.go(after)

    def said(self, text: str = "", *ways: str, tools: tuple[str, ...] = ()) -> list[str]:
        """The model says something, and chooses ways or asks for tools."""
        transitions = [{"id": f"id_{way}", "name": way} for way in ways]
        calls = [{"id": f"id_{tool}", "tool": tool, "arguments": {}} for tool in tools]
        return self.brought({"history": f"h{len(self.runs)}", "text": text, "calls": calls, "transitions": transitions})

    def broke(self, code: str = "broken") -> list[str]:
        run = self.under_way()
        step.fail(self.graph, self.state, run.key, NodeFailure(code=code, message="it broke", node_id=run.node_id))
        return self.go()

    def under_way(self) -> Run:
        return next(work.run for work in reversed(self.state.in_flight.values()) if isinstance(work.run, Run))

    @property
    def lines(self) -> list[str]:
        return [f"{each.role}: {each.text}" for each in self.call.transcript]

    def deadlines(self) -> dict[str, datetime | None]:
        waits = (work.run for work in self.state.in_flight.values() if isinstance(work.run, Wait))
        return {wait.data["for"]: wait.deadline for wait in waits}
