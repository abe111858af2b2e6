"""The OpenAPI documents say what is served: each operation lists the errors that it can really answer with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.kit.links import link
from api.kit.surface import Surface

Document = dict[str, Any]
REF = "#/components/schemas/{model}"
METHODS = ("get", "put", "post", "delete", "patch")

_MEANING = {
    400: "The body is not valid JSON, or the Idempotency-Key is malformed.",
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key lacks a scope.",
    404: "No such thing for this tenant.",
    409: "The present state does not allow it.",
    413: "The body is over the limit.",
    415: "The body is not sent as JSON.",
    422: "Values of the request break a rule.",
    429: "The key's limit of requests is reached, or the monthly budget is used up (`budget_exceeded`).",
    500: "Internal error.",
    503: "Something needed (database, Temporal, a worker) does not answer.",
}
_REQUEST_ID = {
    "description": "Id of the request, as in the body of errors and in the log.",
    "schema": {"type": "string"},
}
_RETRY_AFTER = {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}}
_REPLAYED = {
    "description": "`true` on the stored reply to an earlier request with the same Idempotency-Key.",
    "schema": {"type": "string", "enum": ["true"]},
}


def surface_document(app: FastAPI, surface: Surface) -> Document:
    """Return the OpenAPI document of a surface, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        components = cast(Document, document.setdefault("components", {}).setdefault("schemas", {}))
        for name in ("HTTPValidationError", "ValidationError"):
            components.pop(name, None)
        models = [(model, "serialization") for model in (surface.problem, surface.validation_problem)]
        _, schemas = models_json_schema(cast(Any, models), ref_template=REF)
        components.update(schemas["$defs"])
        _illustrate(components, surface.examples)
        for method, operation in operations(document):
            _describe(method, operation, surface)
        link(document)
        app.openapi_schema = document
    return app.openapi_schema


def _illustrate(components: Document, examples: Mapping[str, Any]) -> None:
    """Show what values of the models look like."""
    for name, schema in components.items():
        model = name.removesuffix("-Output")
        example = next((each for end, each in examples.items() if f"__{model}".endswith(f"__{end}")), None)
        if example is not None:
            schema["examples"] = [example]


def operations(document: Document) -> Iterable[tuple[str, Document]]:
    """Give each operation of a document with its method, in lower case."""
    for item in document["paths"].values():
        for method in METHODS:
            if method in item:
                yield method, item[method]


def _describe(method: str, operation: Document, surface: Surface) -> None:
    responses = cast(Document, operation["responses"])
    for parameter in operation.get("parameters", []):
        _leave_out_null(parameter["schema"])
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    for status in _errors_of(method, operation):
        described = responses.setdefault(str(status), {})
        described.setdefault("description", _MEANING[status])
        model = surface.validation_problem if status == 422 else surface.problem
        described.setdefault("content", {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}})
        if status in (429, 503) or (status == 409 and method == "post"):
            described.setdefault("headers", {})["Retry-After"] = _RETRY_AFTER
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-ID"] = _REQUEST_ID
        if method == "post" and (status.startswith("2") or status in ("404", "409")):
            headers["Idempotent-Replayed"] = _REPLAYED
    operation["responses"] = dict(sorted(responses.items()))


def _leave_out_null(schema: Document) -> None:
    """A parameter may be absent, which ``required`` says; there is no null in a query, a path or a header."""
    present = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(present) == 1:
        del schema["anyOf"]
        schema.update({**present[0], **schema})


def _errors_of(method: str, operation: Document) -> set[int]:
    parameters = cast(list[Mapping[str, Any]], operation.get("parameters", []))
    found = {500, 503}
    if "security" in operation:
        found |= {401, 403, 429}
    if parameters:
        found |= {422}
    if any(p["in"] == "path" for p in parameters):
        found |= {404}
    if "requestBody" in operation:
        found |= {400, 413, 415, 422}
    if method == "post":
        found |= {400, 409}
    return found


def merged(documents: Mapping[str, Document], title: str, version: str) -> Document:
    """Merge the documents of several surfaces into one.

    Schemas and operation ids get the surface's name in front. Where two surfaces serve the same path, the later one's
    is shown with the surface's own first segment (``/omniflow/api/v1/agents``), which is served as well.
    """
    paths: Document = {}
    components: dict[str, Document] = {"schemas": {}}
    for name, document in documents.items():
        local = json.dumps(document).replace('"#/components/schemas/', f'"#/components/schemas/{name}.')
        renamed: Document = json.loads(local)
        for _, operation in operations(renamed):
            followed = [each for answer in operation["responses"].values() for each in answer.get("links", {}).values()]
            for named in (operation, *followed):
                named["operationId"] = f"{name}.{named['operationId']}"
        for path, item in renamed["paths"].items():
            paths[f"/{name}{path}" if path in paths else path] = item
        for schema, body in renamed["components"].pop("schemas", {}).items():
            components["schemas"][f"{name}.{schema}"] = body
        for section, members in renamed["components"].items():
            components.setdefault(section, {}).update(members)
    return {"openapi": "3.1.0", "info": {"title": title, "version": version}, "paths": paths, "components": components}
