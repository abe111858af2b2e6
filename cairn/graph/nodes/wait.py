"""wait: for a duration, until a time, or for an outside event; returns the event's payload."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cairn.contracts.json import Json, JsonObject
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate


class EventData(BaseModel):
    """The event that is waited for.

    Attributes:
        name: of the event.
        correlation: expression; only an event with this correlation is meant. None for any.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name
    correlation: Json = None


class WaitData(NodeData):
    """Data of a wait node: exactly one of ``seconds``, ``until`` and ``event``.

    Attributes:
        seconds: expression or number.
        until: expression that gives an RFC 3339 time.
        event: the event.
        timeout: seconds until an event, or a time that comes later, is waited for in vain; None for never.
        on_timeout: label of the edge that is then taken.
    """

    seconds: str | int | float | None = None
    until: Name | None = None
    event: EventData | None = None
    timeout: float | None = Field(default=None, gt=0, le=10 * 366 * 86400)
    on_timeout: Name | None = None


class WaitKind(NodeKind[WaitData]):
    """The kind."""

    def resolve(self, data: WaitData, scope: Scope) -> JsonObject:
        """Evaluate what is waited for."""
        if data.event is not None:
            correlation = evaluate(data.event.correlation, scope)
            return {"event": {"name": data.event.name, "correlation": correlation}}
        return {"until": evaluate(data.until, scope)} if data.until else {"seconds": evaluate(data.seconds, scope)}

    def expressions(self, data: WaitData) -> Sources:
        """The one that is there."""
        if isinstance(data.seconds, str):
            yield "seconds", data.seconds
        if data.until is not None:
            yield "until", data.until
        if data.event is not None and isinstance(data.event.correlation, str):
            yield "event.correlation", data.event.correlation


KIND = WaitKind(type="wait", Data=WaitData, waits_for="time", checkpointed=True, one_of=("seconds", "until", "event"))
