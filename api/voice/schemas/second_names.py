"""Members that have a second name, which public clients use: a request may have either, or both if they are equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ConfigDict, model_validator

from api.kit.body import Body

SECOND_NAMES = {
    "workflow_name": "name",
    "workflow_definition": "definition",
    "workflow_configurations": "configuration",
}


def _document(schema: dict[str, Any]) -> None:
    properties, required = schema["properties"], schema.get("required", [])
    either: list[dict[str, Any]] = []
    for second, first in SECOND_NAMES.items():
        if first not in properties:
            continue
        said = f"The same as `{first}`; where both are given they have to be equal (422)."
        properties[second] = {**properties[first], "description": said}
        if first in required:
            required.remove(first)
            either.append({"anyOf": [{"required": [first]}, {"required": [second]}]})
    if either:
        schema["allOf"] = either
    if not required:
        schema.pop("required", None)


class NamedTwice(Body):
    """A body whose members may come under their second names: what was read can be sent back as it is."""

    model_config = ConfigDict(json_schema_extra=_document)

    @model_validator(mode="before")
    @classmethod
    def _take_second_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given = dict(cast(Mapping[str, Any], data))
        for second, first in SECOND_NAMES.items():
            if first not in cls.model_fields or second not in given:
                continue
            value = given.pop(second)
            if given.setdefault(first, value) != value:
                raise ValueError(f"{first} and {second} are two names of one member, and differ")
        return given
