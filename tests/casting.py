"""A model that plays several agents at once: what it says follows from whom it plays and how far that one is."""

from __future__ import annotations

from typing import Any

from graphs import node, sequence
from servers.openai_server import Reply

from cairn.contracts.json import JsonObject

MODEL = "openai:gpt-4o-mini"


def cast(**parts: list[Reply]) -> Reply:
    """Return a reply that takes the part named by the last word of the user, at its next line (the last one again)."""

    def reply(body: dict[str, Any]):
        messages = body["messages"]
        asked = max(number for number, each in enumerate(messages) if each["role"] == "user")
        line = sum(each["role"] == "assistant" for each in messages[asked:])
        part = parts[messages[asked]["content"].split()[-1]]
        return part[min(line, len(part) - 1)](body)

    return reply


def told(requests: list[dict[str, Any]], part: str) -> list[Any]:
    """Return the results of calls that the model was told, the last time that it took a part."""
    mine = [each["messages"] for each in requests if any(_says(m, part) for m in each["messages"])]
    return [message["content"] for message in mine[-1] if message["role"] == "tool"]


def _says(message: dict[str, Any], part: str) -> bool:
    return message["role"] == "user" and message["content"].split()[-1] == part


def agent_graph(*below: tuple[str, str], **data: Any) -> JsonObject:
    """Return the graph of an agent with sub-agents, each (name, id of its graph)."""
    subagents = [{"name": name, "workflow_id": uuid} for name, uuid in below]
    data = {"prompt": "{{ input.message }}", "model": MODEL, **({"subagents": subagents} if below else {}), **data}
    return sequence(node("agent", "agent", **data), node("end", "end", output={"content": "outputs.agent"}))
