"""The kinds of nodes as editors and builders of graphs need them, generated from the kinds and their models.

Texts come from the docstrings: of a field from the ``Attributes:`` of its model, of a kind from its module or model.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, WrapValidator
from pydantic.fields import FieldInfo

from cairn.contracts.json import Json, JsonObject
from cairn.graph import nodes
from cairn.graph.nodes import KINDS, NodeData, NodeKind
from cairn.graph.nodes.voice import VOICE_KINDS

SPEC_VERSION = "1.0.0"
"""Of the form of a :class:`NodeSpec`."""

PropertyType = Literal[
    "string",
    "number",
    "boolean",
    "options",
    "multi_options",
    "fixed_collection",
    "json",
    "tool_refs",
    "document_refs",
    "recording_ref",
    "credential_ref",
    "mention_textarea",
    "url",
]
Category = Literal["call_node", "global_node", "trigger", "integration"]


class PropertyOption(BaseModel):
    """One of the values that a member may have."""

    value: str | int | bool | float
    label: str


class PropertySpec(BaseModel):
    """One member of a node's data."""

    name: str
    type: PropertyType
    display_name: str
    description: str
    llm_hint: str | None = None
    default: Json = None
    required: bool = False
    options: list[PropertyOption] | None = None
    properties: list[PropertySpec] | None = Field(default=None, description="Members of each item.")
    min_value: float | None = None
    max_value: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


class GraphConstraints(BaseModel):
    """How many edges a node may have."""

    min_incoming: int | None = None
    max_incoming: int | None = None
    min_outgoing: int | None = None
    max_outgoing: int | None = None


class NodeSpec(BaseModel):
    """One kind of node."""

    name: str = Field(description="The node's `type`.")
    display_name: str
    description: str
    llm_hint: str | None = None
    category: Category
    icon: str
    version: str = SPEC_VERSION
    properties: list[PropertySpec]
    graph_constraints: GraphConstraints | None = None


# What an editor shows beside a kind; one that is not listed is an integration.
_SHOWN: dict[str, tuple[Category, str]] = {
    "startCall": ("call_node", "Play"),
    "agentNode": ("call_node", "Headset"),
    "endCall": ("call_node", "OctagonX"),
    "globalNode": ("global_node", "Globe"),
    "trigger": ("trigger", "Webhook"),
    "webhook": ("integration", "Link2"),
    "qa": ("integration", "ClipboardCheck"),
}
_OTHERS: tuple[Category, str] = ("integration", "Workflow")

# A member's name says what it refers to: the model's type alone does not.
_BY_NAME: list[tuple[str, PropertyType, str | None]] = [
    (r"tool_uuids", "tool_refs", "A list of tool uuids, from `list_tools`."),
    (r"document_uuids", "document_refs", "A list of document uuids, from `list_documents`."),
    (r".*recording_id", "recording_ref", "A recording's id, from `list_recordings`."),
    (r".*credential_uuid", "credential_ref", "A credential's uuid, from `list_credentials`."),
    (r"(.*_)?url|notify|qa_endpoint", "url", None),
    (r"(.*_)?prompt|system|greeting", "mention_textarea", None),
]


def node_types() -> list[NodeSpec]:
    """Return all kinds, those of calls first."""
    voice = [kind.type for kind in VOICE_KINDS]
    return [_spec(name) for name in (*voice, *(name for name in KINDS if name not in voice))]


def node_type(name: str) -> NodeSpec | None:
    """Return one kind, None when there is none of this name."""
    return _spec(name) if name in KINDS else None


@cache
def _spec(name: str) -> NodeSpec:
    kind = KINDS[name]
    category, icon = _SHOWN.get(name, _OTHERS)
    label = kind.label or name.capitalize()
    place = kind.placement
    return NodeSpec(
        name=name,
        display_name=label,
        description=_description(kind),
        category=category,
        icon=icon,
        properties=[_of_node(each, label) for each in _properties(kind.Data)],
        graph_constraints=GraphConstraints(
            min_incoming=place.min_in or None, max_incoming=place.max_in, max_outgoing=place.max_out
        ),
    )


def _description(kind: NodeKind[Any]) -> str:
    """The module of an engine kind begins with its name; a voice kind is told by the model of its data."""
    module = getattr(nodes, kind.type, None)
    text = (module.__doc__ or "").partition(": ")[2] if module else inspect.getdoc(kind.Data) or ""
    text = re.sub(r"^Data of (?:the|a) ", "", text.strip().partition("\n")[0])
    return text[:1].upper() + text[1:]


def _of_node(spec: PropertySpec, label: str) -> PropertySpec:
    """A node that is not named has its kind's name. What all nodes have is left to the engine's defaults."""
    if spec.name == "name":
        return spec.model_copy(update={"default": label})
    return spec.model_copy(update={"default": None}) if spec.name in NodeData.model_fields else spec


def _properties(model: type[BaseModel]) -> Iterator[PropertySpec]:
    told = _told(model)
    if not issubclass(model, NodeData):
        yield from (_property(name, field, told.get(name)) for name, field in model.model_fields.items())
        return
    own = [name for name in model.model_fields if name not in NodeData.model_fields]
    common = [name for name in model.model_fields if name in NodeData.model_fields]
    for name in (*common[:1], *own, *common[1:]):
        yield _property(name, model.model_fields[name], told.get(name))


def _property(name: str, field: FieldInfo, told: str | None) -> PropertySpec:
    shape, metadata = _shape(field.annotation)
    metadata = [*field.metadata, *metadata]
    default = None if field.is_required() else field.get_default(call_default_factory=False)
    display = name.replace("_", " ").capitalize()
    spec: JsonObject = {
        "name": field.alias or name,
        "display_name": display,
        "description": told[:1].upper() + told[1:] if told else f"{display}.",
        "required": field.is_required(),
        # Lists and objects are left out: a builder writes defaults into the nodes that it makes.
        "default": default if isinstance(default, str | int | float | bool) else None,
        **({"type": "json"} if _takes_more(metadata) else _type(name, shape)),
        **_bounds(metadata),
    }
    return PropertySpec(**spec)


def _type(name: str, shape: Any) -> JsonObject:
    origin, arguments = get_origin(shape), get_args(shape)
    for pattern, kind, hint in _BY_NAME:
        if re.fullmatch(pattern, name) and (shape is str or origin is list):
            return {"type": kind, "llm_hint": hint}
    if origin is Literal:
        return {"type": "options", "options": [_option(value) for value in arguments]}
    if origin is list:
        item, _ = _shape(arguments[0])
        if get_origin(item) is Literal:
            return {"type": "multi_options", "options": [_option(value) for value in get_args(item)]}
        if isinstance(item, type) and issubclass(item, BaseModel):
            return {"type": "fixed_collection", "properties": list(_properties(item))}
        return {"type": "json", "llm_hint": "A JSON array."}
    if shape is bool:
        return {"type": "boolean"}
    if shape in (int, float):
        return {"type": "number"}
    return {"type": "string"} if shape is str else {"type": "json"}


def _takes_more(metadata: list[Any]) -> bool:
    """Whether the model reads values of other forms too."""
    return any(isinstance(said, BeforeValidator | WrapValidator) for said in metadata)


def _option(value: str | int | bool | float) -> PropertyOption:
    return PropertyOption(value=value, label=str(value))


def _shape(annotation: Any) -> tuple[Any, list[Any]]:
    """Return a type without what is said beside it and without None, and what was said beside it."""
    metadata: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *said = get_args(annotation)
            metadata += said
        elif get_origin(annotation) in (Union, UnionType):
            rest = [each for each in get_args(annotation) if each is not NoneType]
            if len(rest) != 1:
                return None, metadata
            annotation = rest[0]
        else:
            return annotation, metadata


def _bounds(metadata: list[Any]) -> JsonObject:
    def told(*names: str) -> Any:
        values = (getattr(said, name, None) for said in metadata for name in names)
        return next((value for value in values if value is not None), None)

    return {
        "min_value": told("ge", "gt"),
        "max_value": told("le", "lt"),
        "min_length": told("min_length"),
        "max_length": told("max_length"),
        "pattern": told("pattern"),
    }


@cache
def _told(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of its fields."""
    told: dict[str, str] = {}
    for each in model.__mro__[::-1]:
        attributes = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE):
            told[name] = " ".join(text.replace("``", "`").split())
    return told
