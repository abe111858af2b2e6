"""approval: a person agrees or refuses; returns {decision, by, reason, modified_arguments}."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, render


class Escalation(BaseModel):
    """Who is asked as well when nobody has answered.

    Attributes:
        after: seconds.
        assignees: ids of users.
    """

    model_config = ConfigDict(extra="forbid")

    after: float = Field(gt=0, le=10 * 366 * 86400)
    assignees: list[Name] = Field(default_factory=list)


class RequestData(NodeData):
    """Data of a node that asks people.

    Attributes:
        prompt: text.
        assignees: ids of the users who may answer; empty for anyone.
        timeout: seconds until it is answered in vain; None for never.
        on_timeout: label of the edge that is then taken.
        notify: URL that is told of the request, with a link that answers it.
        escalate: further people to ask.
    """

    prompt: Name
    assignees: list[Name] = Field(default_factory=list)
    timeout: float | None = Field(default=None, gt=0, le=10 * 366 * 86400)
    on_timeout: Name | None = None
    notify: Name | None = None
    escalate: Escalation | None = None


class Approval(NodeKind[RequestData]):
    """The kind."""

    def resolve(self, data: RequestData, scope: Scope) -> JsonObject:
        """Render the prompt."""
        return asked(data, scope)

    def texts(self, data: RequestData) -> Sources:
        """The prompt and the URL."""
        return texts_of(data)


def asked(data: RequestData, scope: Scope) -> JsonObject:
    """Return what people are asked."""
    return {
        "prompt": render(data.prompt, scope),
        "assignees": list(data.assignees),
        "notify": render(data.notify, scope) if data.notify else None,
        "escalate": data.escalate.model_dump() if data.escalate else None,
    }


def texts_of(data: RequestData) -> Sources:
    """Yield the templates."""
    yield "prompt", data.prompt
    if data.notify:
        yield "notify", data.notify


KIND = Approval(type="approval", Data=RequestData, waits_for="approval", checkpointed=True)
