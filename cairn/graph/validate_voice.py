"""What must hold of voice nodes beyond the form of their data: of the variables they extract, of webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from cairn.contracts.json import Json
from cairn.graph.issues import issue
from cairn.graph.model import Definition, GraphIssue, StateKey
from cairn.graph.nodes import NodeData
from cairn.graph.nodes.headers import wrong_header_name
from cairn.graph.nodes.voice import QA, WEBHOOK, ExtractionData, ExtractionVariable, WebhookData

_CONTEXTS = frozenset({"initial_context", "gathered_context"})
_OF_THE_CALL = frozenset(
    {"execution_id", "workflow_id", "call_duration_seconds", "transcript", "annotations", "workflow_run_id"}
)
"""Names that mean something else in webhooks and reviews; ``call_disposition`` may be extracted."""
_ACCEPTED = {"string": {"string"}, "number": {"number", "integer"}, "boolean": {"boolean"}}


class VoiceRules:
    """The rules for the voice nodes of one graph."""

    def __init__(self, definition: Definition, names: frozenset[str]) -> None:
        """Take the graph and the names that the engine gives to all texts in it."""
        self._state = definition.state
        self._hidden = names | _CONTEXTS
        self._told_of = any(
            node.type in (WEBHOOK, QA) and node.data.get("enabled" if node.type == WEBHOOK else "qa_enabled", True)
            for node in definition.nodes
        )
        self._types: dict[str, tuple[str, str]] = {}

    def issues(self, node_id: str, data: NodeData) -> Iterator[GraphIssue]:
        """Yield what is wrong with the data of one node."""
        if isinstance(data, ExtractionData) and data.extraction_enabled:
            for number, variable in enumerate(data.extraction_variables or ()):
                yield from self._variable(node_id, f"data.extraction_variables.{number}", variable)
        if isinstance(data, WebhookData) and data.enabled:
            yield from _webhook(node_id, data)

    def _variable(self, node_id: str, field: str, variable: ExtractionVariable) -> Iterator[GraphIssue]:
        name, kind = variable.name, variable.type
        if name in self._hidden:
            message = f"Variable '{name}' could not be read: texts know something else by this name"
            yield issue("node", node_id, f"{field}.name", message)
        elif name in _OF_THE_CALL and self._told_of:
            message = f"After the call '{name}' is the call's own; this variable is gathered_context.{name} there"
            yield issue("node", node_id, f"{field}.name", message, warning=True)
        if name in self._state and not _takes(self._state[name], kind):
            yield issue("node", node_id, f"{field}.type", f"State key '{name}' takes no {kind}")
        known, where = self._types.setdefault(name, (kind, node_id))
        if known != kind:
            message = f"Variable '{name}' is a {known} at node '{where}'"
            yield issue("node", node_id, f"{field}.type", message, warning=True)


def _takes(declared: StateKey, kind: str) -> bool:
    if declared.reducer == "append":
        return True
    if declared.reducer == "sum" and kind != "number":
        return False
    types: Json = (declared.json_schema or {}).get("type")
    allowed = cast("list[Json]", types) if isinstance(types, list) else [types]
    return types is None or any(each in _ACCEPTED[kind] for each in allowed if isinstance(each, str))


def _webhook(node_id: str, data: WebhookData) -> Iterator[GraphIssue]:
    if not (data.endpoint_url or "").strip():
        yield issue("node", node_id, "data.endpoint_url", "Nothing is sent: the webhook has no URL", warning=True)
    for number, header in enumerate(data.custom_headers or ()):
        if wrong := wrong_header_name(header.key):
            yield issue("node", node_id, f"data.custom_headers.{number}.key", wrong)
