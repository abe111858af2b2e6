"""What must hold of a graph before it is published. Every error is reported at once, in time linear in the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from pydantic import ValidationError

from cairn.contracts.json import Json, JsonObject
from cairn.graph.expressions import ITEM_NAMES, SCOPE_NAMES, ExpressionError, compile_expression
from cairn.graph.issues import Kind, issue, shape_issues
from cairn.graph.model import Definition, GraphIssue, Node, StateKey
from cairn.graph.nodes import KINDS, NodeData, NodeKind
from cairn.graph.nodes.agent import AgentData
from cairn.graph.nodes.map import MapData
from cairn.graph.nodes.tool import ToolData
from cairn.graph.nodes.voice import START_CALL, AgentNodeData
from cairn.graph.reducers import ReducerError, reduce
from cairn.graph.schema import check_schema, validate_json
from cairn.graph.templates import TemplateError, compile_text
from cairn.graph.validate_body import body_issues
from cairn.graph.validate_edges import label_of, validate_edges
from cairn.graph.validate_ids import own_ids, referred_ids
from cairn.graph.validate_names import Names
from cairn.graph.validate_voice import VoiceRules

MAX_EXPRESSIONS = 524_288
"""Characters of all expressions of one graph; compiling them is what takes the time."""
MAX_TEXTS = 4_194_304
"""Characters of all texts of one graph."""
MAX_VALUES = 100_000
"""Values of the data of one node: each can be wrong, and what is wrong is told of each."""
MAX_ISSUES = 50_000
"""Errors and warnings that are told of one graph."""


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """What graphs may refer to; None: not known here, so not checked.

    Attributes:
        known_tools: names of the tools that workers have.
        guarded_tools: names of those that may only be called when a person has approved it.
        repeatable_tools: names of those that may be called again without harm.
        known_mcp_servers: names of the MCP servers that are configured; others give a warning.
        known_tool_uuids: ids of an author's own tools.
        known_document_uuids: ids of an author's documents.
    """

    known_tools: frozenset[str] | None = None
    guarded_tools: frozenset[str] = frozenset()
    repeatable_tools: frozenset[str] | None = None
    known_mcp_servers: frozenset[str] | None = None
    known_tool_uuids: frozenset[str] | None = None
    known_document_uuids: frozenset[str] | None = None


def validate(definition: Definition, context: ValidationContext | None = None) -> list[GraphIssue]:
    """Return what is wrong with a graph; it can be published when no issue has severity ``error``."""
    found = list(islice(_Validation(definition, context or ValidationContext()).issues(), MAX_ISSUES))
    if len(found) == MAX_ISSUES:
        found.append(issue("workflow", None, None, f"Validation ended after {MAX_ISSUES} errors and warnings"))
    return found


def is_valid(issues: Iterable[GraphIssue]) -> bool:
    """Tell whether a graph of which this was found can be published: warnings do not matter."""
    return all(issue.severity != "error" for issue in issues)


class _Validation:
    """One pass over a graph, or over an inline definition in it (``nesting`` says how deep)."""

    def __init__(self, definition: Definition, context: ValidationContext, nesting: int = 0) -> None:
        self.definition = definition
        self.context = context
        self.nesting = nesting
        self.names = ITEM_NAMES if nesting else SCOPE_NAMES
        self.node_ids = frozenset(node.id for node in definition.nodes)
        self.known = Names(definition)
        self.voice = VoiceRules(definition, self.names)
        self.expressions = 0
        self.texts = 0

    def issues(self) -> Iterator[GraphIssue]:
        definition = self.definition
        yield from _counts(definition, inline=self.nesting > 0)
        yield from _declarations(definition)
        yield from own_ids("node", [node.id for node in definition.nodes])
        yield from own_ids("edge", [edge.id for edge in definition.edges])
        for node in definition.nodes:
            yield from self._node(node)
            yield from referred_ids("node", node.id, node.data)
        yield from validate_edges(definition, self.node_ids)
        for edge in definition.edges:
            yield from referred_ids("edge", edge.id, edge.data)
            source = edge.data.get("expression")
            if isinstance(source, str):
                yield from self._expression("edge", edge.id, "data.expression", source, condition=True)
            speech = edge.data.get("transition_speech")
            if isinstance(speech, str) and edge.data.get("transition_speech_type") != "audio":
                yield from self._text("edge", edge.id, "data.transition_speech", speech)
        for name, length, most in (
            ("expressions", self.expressions, MAX_EXPRESSIONS),
            ("texts", self.texts, MAX_TEXTS),
        ):
            if length > most:
                yield issue("workflow", None, None, f"The {name} of a graph have together at most {most} characters")

    def _node(self, node: Node) -> Iterator[GraphIssue]:
        kind = KINDS.get(node.type)
        if kind is None:
            yield issue("node", node.id, "type", f"Unknown node type: '{node.type}'")
            return
        if _has_more_values(node.data, MAX_VALUES):
            yield issue("node", node.id, "data", f"Data has more than {MAX_VALUES} values")
            return
        if kind.one_of and sum(node.data.get(name) is not None for name in kind.one_of) != 1:
            named = f"{', '.join(kind.one_of[:-1])} and {kind.one_of[-1]}"
            yield issue("node", node.id, "data", f"A {kind.type} has exactly one of {named}")
        spoilt: frozenset[str] = frozenset()
        try:
            data = kind.Data.model_validate(node.data)
        except ValidationError as error:
            yield from shape_issues("node", node.id, node.data, error)
            spoilt = frozenset(str(single["loc"][0]) for single in error.errors(include_url=False) if single["loc"])
            data = _mended(kind.Data, node.data, spoilt)
        except RecursionError:
            yield issue("node", node.id, "data", "Data is nested too deep")
            return
        if data is not None:
            for found in self._data(node.id, kind, data):
                if (found.field or "").split(".")[1] not in spoilt:
                    yield found

    def _data(self, node_id: str, kind: NodeKind[Any], data: NodeData) -> Iterator[GraphIssue]:
        for path, source in kind.expressions(data):
            yield from self._expression("node", node_id, f"data.{path}", source)
        for path, source in kind.texts(data):
            yield from self._text("node", node_id, f"data.{path}", source)
        for path, name in kind.tools(data):
            yield from self._tool(node_id, f"data.{path}", name, data)
        for path, name in kind.mcp_servers(data):
            # Servers are configured for workers, and perhaps not here.
            for found in _known(node_id, f"data.{path}", "MCP server", [name], self.context.known_mcp_servers):
                yield found.model_copy(update={"severity": "warning"})
        for path, said in kind.problems(data):
            yield issue("node", node_id, f"data.{path}", said)
        yield from self.voice.issues(node_id, data)
        yield from self._compensation(node_id, kind, data)
        yield from self._references(node_id, data)
        if isinstance(data, MapData) and data.body is not None:
            yield from body_issues(node_id, data.body, self._body, nesting=self.nesting + 1)
        for field in ("input_schema", "output_schema"):
            schema = getattr(data, field, None)
            if schema is not None:
                yield from _schema("node", node_id, f"data.{field}", schema)

    def _tool(self, node_id: str, field: str, name: str, data: NodeData) -> Iterator[GraphIssue]:
        yield from _known(node_id, field, "tool", [name], self.context.known_tools)
        if name in self.context.guarded_tools and not _asks(data, name):
            message = f"A person has to approve calls of '{name}': the node has to ask for it by require_approval"
            yield issue("node", node_id, field, message)
        if isinstance(data, ToolData) and data.repeatable and self._is_single(name):
            yield issue("node", node_id, "data.repeatable", f"'{name}' does not declare that it may be called again")

    def _is_single(self, tool: str) -> bool:
        """Whether a tool is known, and known not to be one that may be called again."""
        repeatable, known = self.context.repeatable_tools, self.context.known_tools
        return repeatable is not None and tool not in repeatable and (known is None or tool in known)

    def _body(self, definition: Definition) -> Iterator[GraphIssue]:
        """Check an inline definition; the limits on expressions and texts hold for the whole graph."""
        inner = _Validation(definition, self.context, self.nesting + 1)
        inner.expressions, inner.texts = self.expressions, self.texts
        yield from inner.issues()
        self.expressions, self.texts = inner.expressions, inner.texts

    def _compensation(self, node_id: str, kind: NodeKind[Any], data: NodeData) -> Iterator[GraphIssue]:
        if data.compensate is None:
            return
        if not kind.works:
            message = f"{label_of(kind)} does no work that could be undone"
            yield issue("node", node_id, "data.compensate", message)
        tool = data.compensate.tool
        yield from _known(node_id, "data.compensate.tool", "tool", [tool], self.context.known_tools)
        if tool in self.context.guarded_tools:
            message = f"A person has to approve calls of '{tool}', and nobody is asked when something is undone"
            yield issue("node", node_id, "data.compensate.tool", message)
        for key, source in data.compensate.arguments.items():
            if isinstance(source, str):
                field = f"data.compensate.arguments.{key}"
                yield from self._expression("node", node_id, field, source, names=self.names | {"result"})

    def _references(self, node_id: str, data: NodeData) -> Iterator[GraphIssue]:
        if isinstance(data, AgentNodeData):
            tools, documents = data.tool_uuids or [], data.document_uuids or []
            yield from _known(node_id, "data.tool_uuids", "tool", tools, self.context.known_tool_uuids)
            yield from _known(node_id, "data.document_uuids", "document", documents, self.context.known_document_uuids)

    def _expression(
        self,
        kind: Kind,
        subject: str,
        field: str,
        source: str,
        *,
        condition: bool = False,
        names: frozenset[str] | None = None,
    ) -> Iterator[GraphIssue]:
        self.expressions += len(source)
        if self.expressions > MAX_EXPRESSIONS:
            return
        try:
            expression = compile_expression(source, names=names or self.names)
        except ExpressionError as error:
            yield issue(kind, subject, field, f"Expression is not valid: {error}")
            return
        for said in self.known.unknown(expression):
            yield issue(kind, subject, field, f"Expression is not valid: {said}")
        for said in self.known.unwritten(expression):
            yield issue(kind, subject, field, said, warning=True)
        if condition and not expression.may_be_boolean:
            yield issue(kind, subject, field, "Expression must be true or false")

    def _text(self, kind: Kind, subject: str, field: str, source: str) -> Iterator[GraphIssue]:
        self.texts += len(source)
        if self.texts > MAX_TEXTS:
            return
        try:
            compile_text(source)
        except TemplateError as error:
            yield issue(kind, subject, field, f"Text is not valid: {error}")


def _asks(data: NodeData, tool: str) -> bool:
    """Whether a node asks people before it calls a tool."""
    if isinstance(data, AgentData):
        return tool in data.require_approval
    return isinstance(data, ToolData) and data.require_approval


def _has_more_values(value: Json, most: int) -> bool:
    """Tell whether a value holds so many; it may be nested as deep as it likes."""
    left: list[Json] = [value]
    count = 0
    while left and count <= most:
        each = left.pop()
        count += 1
        if isinstance(each, dict):
            left.extend(cast(JsonObject, each).values())
        elif isinstance(each, list):
            left.extend(cast(list[Json], each))
    return count > most


def _mended(model: type[NodeData], data: JsonObject, spoilt: frozenset[str]) -> NodeData | None:
    """Return the data without its spoilt members, so that the others can be checked as well."""
    sound = {key: value for key, value in data.items() if key not in spoilt}
    fillers: tuple[Json, ...] = ("-", {})
    for filler in fillers:
        missing = {key: filler for key in spoilt if key in model.model_fields and model.model_fields[key].is_required()}
        try:
            return model.model_validate({**sound, **missing, "name": sound.get("name", "-")})
        except ValidationError:
            continue
    return None


def _counts(definition: Definition, *, inline: bool) -> Iterator[GraphIssue]:
    counts = Counter(node.type for node in definition.nodes)
    if counts["start"] and counts[START_CALL]:
        yield issue("workflow", None, None, "Workflow can have a Start or a Start Call, not both")
    elif not counts["start"] and not counts[START_CALL]:
        needed = "An inline definition must have a Start" if inline else "Workflow must have at least one Start Call"
        yield issue("workflow", None, None, needed)
    for kind_type, count in counts.items():
        kind = KINDS.get(kind_type)
        if kind is not None and kind.placement.at_most is not None and count > kind.placement.at_most:
            yield issue("workflow", None, None, f"Workflow can have at most one {label_of(kind)}")


def _declarations(definition: Definition) -> Iterator[GraphIssue]:
    for field, schema in (("input_schema", definition.input_schema), ("output_schema", definition.output_schema)):
        if schema is not None:
            yield from _schema("workflow", None, field, schema)
    for key, declared in definition.state.items():
        yield from _state_key(key, declared)


def _state_key(key: str, declared: StateKey) -> Iterator[GraphIssue]:
    field = f"state.{key}"
    if not key.strip():
        yield issue("workflow", None, field, "A state key needs a name")
    problems = [] if declared.json_schema is None else check_schema(declared.json_schema)
    for problem in problems:
        yield issue("workflow", None, f"{field}.schema", f"Schema is not valid: {problem}")
    if declared.default is None:
        return
    if declared.json_schema is not None and not problems:
        for error in validate_json(declared.json_schema, declared.default):
            place = f" at {error.pointer}" if error.pointer else ""
            yield issue("workflow", None, f"{field}.default", f"Default breaks the schema{place}: {error.message}")
    try:
        # What a default must be to be written to, it must be from the start.
        reduce(declared.reducer, declared.default, None)
    except ReducerError as error:
        yield issue("workflow", None, f"{field}.default", f"Default does not fit the reducer: {error}")


def _known(
    node_id: str, field: str, what: str, names: Iterable[str], known: frozenset[str] | None
) -> Iterator[GraphIssue]:
    if known is not None:
        for name in names:
            if name not in known:
                yield issue("node", node_id, field, f"Unknown {what}: '{name}'")


def _schema(kind: Kind, subject: str | None, field: str, schema: Json) -> Iterator[GraphIssue]:
    for problem in check_schema(schema):
        yield issue(kind, subject, field, f"Schema is not valid: {problem}")
