"""A definition as it comes in, read and identified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from cairn.contracts.json import JsonObject, digest
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.secrets import Seal, seal_secrets
from cairn.domain.graphs.triggers import fill_paths
from cairn.errors import FieldError, InvalidInput, plain_message
from cairn.graph.model import Definition, Edge, Node
from cairn.graph.validate_ids import UNSAFE, UNSAFE_ID, is_safe
from cairn.persistence.tables import GraphVersionRow

MAX_NODES = 10_000
MAX_EDGES = 30_000


def _clean(value: str) -> str:
    if not is_safe(value):
        raise ValueError(UNSAFE)
    return value


Id = Annotated[
    str,
    Field(max_length=255, json_schema_extra={"not": {"pattern": UNSAFE_ID}}),
    AfterValidator(_clean),
]


class AuthoredNode(Node):
    """A node that is sent in."""

    id: Id


class AuthoredEdge(Edge):
    """An edge that is sent in."""

    id: Id
    source: Id
    target: Id


class AuthoredDefinition(Definition):
    """A definition that is sent in: what is stored already may break these bounds."""

    nodes: list[AuthoredNode] = Field(default_factory=list[AuthoredNode], max_length=MAX_NODES)  # pyright: ignore[reportIncompatibleVariableOverride]
    edges: list[AuthoredEdge] = Field(default_factory=list[AuthoredEdge], max_length=MAX_EDGES)  # pyright: ignore[reportIncompatibleVariableOverride]


@dataclass(frozen=True, slots=True)
class Document:
    """A definition.

    Attributes:
        raw: as it is kept.
        model: as it was sent, when it was read just now: a trigger may lack its path.
        node_count: how many nodes it has.
        digest: SHA-256 of the canonical JSON of ``raw``.
    """

    raw: JsonObject
    model: Definition | None
    node_count: int
    digest: str

    @classmethod
    def read(cls, definition: JsonObject, paths: Mapping[str, str] | None = None, seal: Seal | None = None) -> Document:
        """Read what an author sent; a trigger without a path gets one.

        Args:
            definition: as it was sent.
            paths: trigger paths that are kept, by node: a trigger that comes without one has it already.
            seal: encrypts the secrets in it; None: they stay as they are.

        Raises:
            InvalidInput: it is no definition at all, or holds what no JSON text can (NaN, half a surrogate pair).
        """
        try:
            model = AuthoredDefinition.model_validate(definition, strict=True)
            raw = fill_paths(definition, model, paths or {})
            raw = seal_secrets(raw, seal) if seal is not None else raw
            return cls(raw, model, len(model.nodes), digest(raw))
        except ValidationError as error:
            errors = [FieldError(_pointer(e["loc"]), plain_message(e)) for e in error.errors(include_url=False)]
            raise InvalidInput("The definition is malformed.", code="malformed_definition", errors=errors) from None
        except (ValueError, RecursionError):
            raise InvalidInput(
                "The definition is malformed.",
                code="malformed_definition",
                errors=[FieldError("/definition", "holds a value that is not JSON, or is nested too deep")],
            ) from None


def stored(version: GraphVersionRow | GraphVersion) -> Document:
    """Return the definition of a version."""
    return Document(version.definition, None, version.node_count, version.digest)


def _pointer(location: tuple[int | str, ...]) -> str:
    return "/definition" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
