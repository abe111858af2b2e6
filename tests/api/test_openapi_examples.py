"""What agentflow's document shows of requests and replies is of the form that it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from api.agentflow.conventions import AGENTFLOW
from api.app import surfaces
from api.kit.openapi import Document
from cairn.settings import Settings

_JSON = "application/json"


@pytest.fixture(scope="module")
def document() -> Document:
    return surfaces(Settings())["agentflow"].openapi()


def named(schema: Any) -> Iterator[str]:
    """Yield the names of the models that a schema is made of at its top: itself, its items, its alternatives."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from named(each)


def is_shown(document: Document, schema: Any) -> bool:
    """Whether there is an example of a schema: of the model, or of what a list of it holds."""
    models = document["components"]["schemas"]
    own = [models[name] for name in named(schema)]
    held = [models[name] for model in own for member in model.get("properties", {}).values() for name in named(member)]
    return any(each.get("examples") for each in (*own, *held))


def test_examples_are_of_their_models(document: Document) -> None:
    models = document["components"]["schemas"]
    for name, model in models.items():
        check = jsonschema_rs.validator_for(
            {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        )
        for example in model.get("examples", ()):
            wrong = [f"{list(each.instance_path)}: {each.message}" for each in check.iter_errors(example)]
            assert not wrong, f"{name}: {wrong}"


def test_examples_of_replies_leave_nothing_out(document: Document) -> None:
    models = document["components"]["schemas"]
    for end, example in AGENTFLOW.examples.items():
        (name,) = (each for each in models if f"__{each.removesuffix('-Output')}".endswith(f"__{end}"))
        missing = set(models[name]["required"]) - set(example)
        assert not missing, f"{end}: {missing}"


def test_every_operation_shows_what_it_takes_and_what_it_answers(document: Document) -> None:
    untold: list[str] = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
            if body is not None and not ("examples" in body or is_shown(document, body["schema"])):
                untold.append(f"{method} {path}: takes")
            for status, reply in operation["responses"].items():
                told = reply.get("content", {}).get(_JSON)
                if status.startswith("2") and told is not None and not is_shown(document, told["schema"]):
                    untold.append(f"{method} {path}: answers")
    assert not untold
