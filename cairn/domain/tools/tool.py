"""A tool: a Python function that graphs and agents can call, with a schema of its arguments.

@tool
def refund(order: str, amount: Annotated[float, Field(gt=0)], context: ToolContext) -> dict:
    '''Pay money back for an order.'''
    return shop.refund(order, amount, idempotency_key=context.idempotency_key)
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated, Any, cast, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from cairn.contracts.json import Json, JsonObject
from cairn.errors import plain_message
from cairn.graph.schema import validate_json

_THREADS = 64

_executor = functools.cache(lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="cairn-tool"))


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of its call: given to a parameter that is annotated with this class.

    Attributes:
        idempotency_key: the same for all tries of one call, new for a replay; outside effects should carry it.
        execution_id: the execution that calls.
        tenant: its owner.
        live: False for executions of a test key.
        node_id: the node that calls.
        visit: which visit of the node, from 1.
        lineage: the line of the execution, new after every replay and rollback.
        attempt: which try of this call, from 1; in a segment those count that failed, not those that a crash ended.
        given: what the texts of a phone call see of the names that the tool reads; None outside of calls.
        approved: a person has approved the call.
    """

    idempotency_key: str
    execution_id: str
    tenant: str
    live: bool
    node_id: str
    visit: int
    lineage: str
    attempt: int = 1
    given: JsonObject | None = None
    approved: bool = False


class ToolError(Exception):
    """Raise it in a tool to say how it failed; any other exception is a retryable ``tool_error``."""

    def __init__(self, message: str, *, retryable: bool = True, code: str = "tool_error") -> None:
        """Make an error.

        Args:
            message: for the caller, or for the model that called.
            retryable: whether the node's retry policy applies.
            code: machine-readable; what a node's ``retry.non_retryable`` and its error edge see.
        """
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.code = code


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's schema; the message names each that does not."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False, code="invalid_arguments")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with the schema of its arguments.

    Attributes:
        name: how graphs and models call it.
        description: for authors and models.
        parameters: JSON Schema (object) of the arguments.
        arguments: model of the arguments; None: the schema alone says what they are.
        reads: names of the calling graph that it reads besides.
        repeatable: to call it again does no harm.
    """

    name: str
    description: str
    parameters: JsonObject
    function: Callable[..., Any]
    arguments: type[BaseModel] | None
    context_parameter: str | None
    reads: frozenset[str] = frozenset()
    repeatable: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as if it were not decorated."""
        return self.function(*args, **kwargs)

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> Json:
        """Validate the arguments, call the function (a sync one in a thread) and return its result as JSON.

        A sync function that is cancelled runs to its end in its thread.

        Raises:
            InvalidArguments: the arguments do not fit the schema.
            ToolError: the tool says that it failed, or its result is no JSON (``invalid_result``).
            Exception: whatever else the function raises.
        """
        kwargs = self._validate(arguments)
        if self.context_parameter:
            kwargs[self.context_parameter] = context
        if inspect.iscoroutinefunction(self.function):
            result = await cast("Awaitable[Any]", self.function(**kwargs))
        else:
            run = functools.partial(contextvars.copy_context().run, self.function, **kwargs)
            result = await asyncio.get_running_loop().run_in_executor(_executor(), run)
        return _as_json(self.name, result)

    def check(self, arguments: Mapping[str, Json]) -> None:
        """Check the arguments of a call that is made later.

        Raises:
            InvalidArguments: the arguments do not fit the schema.
        """
        self._validate(arguments)

    def _validate(self, arguments: Mapping[str, Json]) -> dict[str, Any]:
        if self.arguments is None:
            if broken := validate_json(self.parameters, dict(arguments)):
                problems = "; ".join(f"{each.pointer or 'arguments'}: {each.message}" for each in broken)
                raise InvalidArguments(f"Tool {self.name!r} refuses its arguments: {problems}")
            return dict(arguments)
        try:
            valid = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            problems = "; ".join(
                f"{_path(item['loc'])}: {plain_message(item)}" for item in error.errors(include_url=False)
            )
            raise InvalidArguments(f"Tool {self.name!r} refuses its arguments: {problems}") from error
        return {str(field.alias): getattr(valid, name) for name, field in type(valid).model_fields.items()}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, repeatable: bool = False
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    repeatable: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a sync or async function; its annotations give the schema, its docstring the description.

    Args:
        function: every parameter is annotated and can be given by name. One that is annotated with
            :class:`ToolContext` is filled by the engine and is not part of the schema.
        name: default: the function's name.
        description: default: the docstring up to its ``Args:``.
        repeatable: to call it again does no harm: it changes nothing outside.
            Nodes of a segment may call it.

    Raises:
        TypeError: the signature cannot be turned into a schema.
    """

    def make(decorated: Callable[..., Any]) -> Tool:
        return replace(_make(decorated, name, description), repeatable=repeatable)

    return make if function is None else make(function)


def _make(function: Callable[..., Any], name: str | None, description: str | None) -> Tool:
    name = name or function.__name__
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    context_parameter = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"Tool {name!r}: parameter {parameter.name!r} cannot be given by name")
        if parameter.name not in hints:
            raise TypeError(f"Tool {name!r}: parameter {parameter.name!r} has no annotation")
        if hints[parameter.name] is ToolContext:
            context_parameter = parameter.name
            continue
        # A field is known by its alias, since a parameter may have a name that a model has already (json, copy, ...).
        annotation = Annotated[hints[parameter.name], Field(alias=parameter.name)]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"p{len(fields)}"] = (annotation, default)
    try:
        arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        parameters = arguments.model_json_schema()
    except (PydanticUserError, NameError) as error:
        raise TypeError(f"Tool {name!r}: its parameters have no JSON Schema: {error}") from error
    parameters.pop("title", None)
    return Tool(name, description or _summary(function), parameters, function, arguments, context_parameter)


def _summary(function: Callable[..., Any]) -> str:
    text = inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:"):
        text = text.partition(f"\n{section}")[0]
    return text.strip()


def _as_json(name: str, result: Any) -> Json:
    try:
        value = to_jsonable_python(result)
        json.dumps(value, allow_nan=False)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise ToolError(
            f"Tool {name!r} returned what JSON cannot hold: {error}", retryable=False, code="invalid_result"
        ) from error
    return value


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "arguments"
