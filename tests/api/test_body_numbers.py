"""JSON has one kind of number: what the documents call an integer may be written with a point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

import api.app  # noqa: F401  # all surfaces' bodies
from api.kit.body import Body


def below(kind: type[Body]) -> Iterator[type[Body]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


def parts(annotation: Any, seen: set[type[BaseModel]]) -> None:
    """Collect the models that an annotation names, with what they are made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        for field in annotation.model_fields.values():
            parts(field.annotation, seen)
    for each in get_args(annotation):
        parts(each, seen)


def integers() -> Iterator[tuple[type[BaseModel], str, float]]:
    """Yield the integers of bodies and of their parts, each with the least that it may be."""
    found: set[type[BaseModel]] = set()
    for body in below(Body):
        parts(body, found)
    for model in sorted(found, key=lambda each: (each.__module__, each.__name__)):
        for name, member in model.model_json_schema().get("properties", {}).items():
            shapes: list[dict[str, Any]] = [member, *member.get("anyOf", [])]
            for shape in [each for each in shapes if each.get("type") == "integer"]:
                yield model, name, float(shape.get("minimum", 1))


@pytest.mark.parametrize(
    ("body", "name", "least"), [pytest.param(*each, id=f"{each[0].__name__}-{each[1]}") for each in integers()]
)
def test_an_integer_may_be_written_with_a_point(body: type[BaseModel], name: str, least: float) -> None:
    with pytest.raises(ValidationError) as caught:
        body.model_validate({name: least, "no such": None}, extra="forbid")
    assert [each for each in caught.value.errors() if each["loc"][:1] == (name,)] == []
