"""A tool that agents call by its name: Python in the sandbox, an HTTP request, or a tool of an MCP server."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from cairn.contracts.json import JsonObject, integral
from cairn.domain.tools.authored.definition import Headers, HttpUrl
from cairn.errors import FieldError, InvalidInput, plain_message
from cairn.graph.nodes.code import MAX_CODE, CodeError, signature_of_run
from cairn.graph.schema import check_schema

SpecKind: TypeAlias = Literal["python", "http", "mcp"]
SPEC_KINDS: tuple[SpecKind, ...] = ("python", "http", "mcp")
MEMBERS: dict[SpecKind, str] = {"python": "function_code", "http": "http", "mcp": "mcp"}
"""What each kind has and the others have not."""

_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


ToolName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Code: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CODE)]
Tags: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32), AfterValidator(_unique)
]
Timeout: TypeAlias = Annotated[int, Field(ge=1, le=600), BeforeValidator(integral)]
Described: TypeAlias = Annotated[str, Field(max_length=2000)]
Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Reference: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]


class HttpCall(BaseModel):
    """One request; redirects are not followed."""

    model_config = ConfigDict(strict=True)

    method: Method = "GET"
    url: HttpUrl = Field(
        description="`{name}` in its path or query stands for the argument of that name. The other arguments are the "
        "query of a GET or DELETE, else the JSON body."
    )
    headers: Headers = Field(default_factory=dict)
    auth_ref: Reference | None = Field(default=None, description="uuid of a credential: its headers go along.")


class McpCall(BaseModel):
    """A tool of a server that the operator configured."""

    model_config = ConfigDict(strict=True)

    server: Reference
    tool: Reference


class ToolSpec(BaseModel):
    """What is said of a tool."""

    model_config = ConfigDict(strict=True)

    name: ToolName
    description: Described = ""
    kind: SpecKind
    args_schema: JsonObject
    function_code: Code | None = None
    http: HttpCall | None = None
    mcp: McpCall | None = None
    tags: Tags = Field(default_factory=list[str])
    require_approval: bool = False
    execution_timeout: Timeout = 30

    @property
    def definition(self) -> JsonObject:
        """What is kept of it beside name and description."""
        said = self.model_dump(exclude={"name", "description", "kind"}, exclude_none=True)
        return {"type": self.kind, **said}

    @classmethod
    def of(cls, name: str, description: str | None, definition: JsonObject) -> ToolSpec:
        """Make it of what was kept."""
        said = {key: value for key, value in definition.items() if key != "type"}
        return cls.model_validate({**said, "name": name, "description": description or "", "kind": definition["type"]})


def read_spec(values: JsonObject) -> ToolSpec:
    """Return what is said of a tool.

    Raises:
        InvalidInput: it is none that can be called; each error at its member.
    """
    try:
        spec = ToolSpec.model_validate(values)
    except ValidationError as error:
        raise _invalid(
            [(_path(each["loc"]), plain_message(each)) for each in error.errors(include_url=False)]
        ) from None
    if problems := list(_problems(spec)):
        raise _invalid(problems)
    return spec


def problems_of_schema(schema: JsonObject) -> list[tuple[str, str]]:
    """Return why arguments cannot be described by a schema, each with its place."""
    if problems := check_schema(schema):
        return [("/args_schema", f"It is no JSON Schema that can be used: {said}") for said in problems]
    if schema.get("type") != "object":
        return [("/args_schema/type", "The schema is of an object: the arguments by their names")]
    wrong = [name for name in _names(schema.get("properties")) if not _PROPERTY.fullmatch(name)]
    return [("/args_schema/properties", f"Models cannot give an argument the name {name!r}") for name in wrong]


def _problems(spec: ToolSpec) -> Iterator[tuple[str, str]]:
    for kind, member in MEMBERS.items():
        given = getattr(spec, member) is not None
        if given is not (kind == spec.kind):
            yield f"/{member}", f"A tool of kind {kind} has it, and no other one"
    if problems := problems_of_schema(spec.args_schema):
        yield from problems
        return
    if spec.kind == "python" and spec.function_code is not None:
        yield from _problems_of_code(spec.function_code, spec.args_schema)
    if spec.http is not None:
        required = _names(spec.args_schema.get("required"))
        for name in dict.fromkeys(PLACEHOLDER.findall(spec.http.url)):
            if name not in required:
                yield "/http/url", f"{{{name}}} is no required property of args_schema"


def _problems_of_code(code: str, schema: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield why ``run(**arguments)`` could not be called with arguments that satisfy a schema."""
    try:
        signature = signature_of_run(code, "run(**arguments)")
    except CodeError as error:
        yield "/function_code", str(error)
        return
    properties, required = _names(schema.get("properties")), _names(schema.get("required"))
    needed = _needed(signature)
    named = {each.arg for each in (*signature.args, *signature.kwonlyargs)}
    if signature.posonlyargs:
        yield "/function_code", "run is called with arguments by name alone"
    for name in needed:
        if name not in required:
            yield "/function_code", f"run needs the argument '{name}', which args_schema does not require"
    if signature.kwarg is None:
        for name in properties:
            if name not in named:
                yield "/function_code", f"run has no parameter '{name}', which args_schema has as a property"
        if schema.get("additionalProperties") is True:
            yield "/function_code", "args_schema allows further properties, so that run must take **arguments"


def _needed(signature: ast.arguments) -> list[str]:
    positional = signature.args[: len(signature.args) - len(signature.defaults)]
    keywords = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    return [each.arg for each in positional] + [each.arg for each, default in keywords if default is None]


def _names(value: Any) -> list[str]:
    return [str(each) for each in cast("Sequence[Any]", value)] if isinstance(value, dict | list) else []


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def _invalid(errors: Sequence[tuple[str, str]]) -> InvalidInput:
    return InvalidInput("The tool is not valid.", errors=[FieldError(*each) for each in errors], code="invalid_tool")
