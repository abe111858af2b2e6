"""A definition as it comes in, read and identified."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from cairn.contracts.json import JsonObject, digest
from cairn.domain.graphs.triggers import fill_paths
from cairn.errors import FieldError, InvalidInput, plain_message
from cairn.graph.model import Definition


@dataclass(frozen=True, slots=True)
class Document:
    """A definition: as it is kept, as a model, and its digest."""

    raw: JsonObject
    model: Definition
    digest: str

    @classmethod
    def read(cls, definition: JsonObject) -> Document:
        """Read what an author sent; a trigger without a path gets one.

        Raises:
            InvalidInput: it is no definition at all, or holds what no JSON text can (NaN, half a surrogate pair).
        """
        try:
            model = Definition.model_validate(definition)
            raw = fill_paths(definition, model)
            return cls(raw, model if raw is definition else Definition.model_validate(raw), digest(raw))
        except ValidationError as error:
            errors = [FieldError(_pointer(e["loc"]), plain_message(e)) for e in error.errors(include_url=False)]
            raise InvalidInput("The definition is malformed.", code="malformed_definition", errors=errors) from None
        except (ValueError, RecursionError):
            raise InvalidInput(
                "The definition is malformed.",
                code="malformed_definition",
                errors=[FieldError("/definition", "holds a value that is not JSON, or is nested too deep")],
            ) from None


def _pointer(location: tuple[int | str, ...]) -> str:
    return "/definition" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
