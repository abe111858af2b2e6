"""What every node kind is made of: common data, and the seam through which the engine asks a kind for its work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.graph.expressions import ITEM_NAMES, SCOPE_NAMES, compile_expression
from cairn.graph.templates import compile_text

Scope: TypeAlias = Mapping[str, Json]
"""The names that expressions and texts see: input, state, outputs, execution."""

Sources: TypeAlias = Iterator[tuple[str, str]]
"""Pairs (path inside the node's data, source text)."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class RetryPolicy(BaseModel):
    """How often and how fast a node's work is tried again.

    Attributes:
        max_attempts: tries in all.
        initial_interval: seconds before the second try.
        backoff: factor from one wait to the next.
        max_interval: longest wait in seconds.
        non_retryable: codes that are final at once.
    """

    model_config = ConfigDict(extra="forbid")

    max_attempts: int = Field(default=3, ge=1, le=1000)
    initial_interval: float = Field(default=1.0, gt=0, le=86400)
    backoff: float = Field(default=2.0, ge=1, le=100)
    max_interval: float = Field(default=60.0, gt=0, le=86400)
    non_retryable: list[str] = Field(default_factory=list)


class Compensation(BaseModel):
    """A tool that undoes what the node did."""

    tool: Name
    arguments: JsonObject = Field(default_factory=dict)


class NodeData(BaseModel):
    """Data that every engine node has.

    Attributes:
        name: shown to people; also the checkpoint's name unless ``checkpoint`` says otherwise.
        checkpoint: name of the checkpoint; False for none.
        retry: retry policy of the node's work.
        timeout: seconds an attempt; None for the kind's default.
        output: state key that the result is written to.
        compensate: undo of the node's effect.
        max_visits: over so many visits the execution pauses.
    """

    model_config = ConfigDict(extra="allow")

    name: Name
    checkpoint: Name | Literal[False] | None = None
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    timeout: float | None = Field(default=None, gt=0, le=30 * 86400)
    output: Name | None = None
    compensate: Compensation | None = None
    max_visits: int = Field(default=100, ge=1)


Data = TypeVar("Data", bound=NodeData)


@dataclass(frozen=True)
class Placement:
    """Where nodes of a kind may stand in a graph.

    Attributes:
        min_in: incoming edges at least.
        max_in: incoming edges at most, None for any number.
        max_out: outgoing edges at most, None for any number.
        at_most: nodes of the kind in one graph, None for any number.
        apart: stands beside the flow: it is not reached from the start.
    """

    min_in: int = 0
    max_in: int | None = None
    max_out: int | None = None
    at_most: int | None = None
    apart: bool = False


@dataclass(frozen=True)
class NodeKind(Generic[Data]):
    """One kind of node.

    Attributes:
        type: its name in definitions.
        Data: model of its data.
        activity: what does its work; None for a kind that the step function carries out itself.
        waits_for: what it waits for; None for a kind that does not wait.
        child: it runs another execution, or one for each item of a list; None for a kind that does not.
        checkpointed: a completed node is a checkpoint unless its author says otherwise.
        timeout: default seconds of an attempt, None for no limit.
        pure: its work touches nothing outside.
        label: what people call it; None for the type, capitalised.
        placement: where its nodes may stand.
        one_of: members of which the data has exactly one; validation alone asks, so that it can tell all else as well.
    """

    type: str
    Data: type[Data]
    activity: ActivityRef[NodeCall, NodeResult] | None = None
    waits_for: Literal["approval", "question", "time"] | None = None
    child: Literal["execution", "map"] | None = None
    checkpointed: bool = False
    timeout: float | None = None
    pure: bool = False
    label: str | None = None
    placement: Placement = Placement()
    one_of: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        """Whether its nodes have work that takes time, and so can fail or time out."""
        return self.activity is not None or self.waits_for is not None or self.child is not None

    def resolve(self, data: Data, scope: Scope) -> JsonObject:
        """Return the data of the activity's call: texts rendered, expressions evaluated.

        Raises:
            ExpressionError: an expression failed.
            TemplateError: a text failed.
        """
        return {}

    def without_effect(self, data: Data) -> bool:
        """Whether doing the node's work again is harmless, since it touches nothing outside or does it but once."""
        return self.pure

    def expressions(self, data: Data) -> Sources:
        """Yield every CEL source of the data with its path."""
        yield from ()

    def texts(self, data: Data) -> Sources:
        """Yield every template of the data with its path."""
        yield from ()

    def tools(self, data: Data) -> Iterable[tuple[str, str]]:
        """Yield (path, name) of every tool that the data refers to."""
        return ()

    def mcp_servers(self, data: Data) -> Iterable[tuple[str, str]]:
        """Yield (path, name) of every MCP server that the data refers to."""
        return ()

    def problems(self, data: Data) -> Iterable[tuple[str, str]]:
        """Yield (path, message) of what is wrong with data that has the right form: asked when graphs are validated."""
        return ()


def evaluate(source: Json, scope: Scope) -> Json:
    """Return the value of an expression; a value that is no string stands for itself."""
    names = ITEM_NAMES if "index" in scope else SCOPE_NAMES
    return compile_expression(source, names=names).evaluate(scope) if isinstance(source, str) else source


def evaluate_all(sources: Mapping[str, Json], scope: Scope) -> JsonObject:
    """Return the values of several expressions, by key."""
    return {key: evaluate(source, scope) for key, source in sources.items()}


def render(source: str, scope: Scope) -> str:
    """Return a template's text over the scope."""
    return compile_text(source).render(scope)


def child_problems(data: NodeData) -> Iterable[tuple[str, str]]:
    """Yield (path, message) of what a node that has a child cannot keep to."""
    if "retry" in data.model_fields_set and data.retry.max_attempts > 1:
        yield (
            "retry",
            "A child is not started again by a retry: its nodes have their own. For another try of the whole, lead an "
            "edge with on: error back to this node",
        )


def sources_of(path: str, values: Mapping[str, Any]) -> Sources:
    """Yield the sources of a mapping of expressions."""
    for key, value in values.items():
        if isinstance(value, str):
            yield f"{path}.{key}", value
