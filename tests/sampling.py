"""Requests made out of an OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2
from graphs import noting, sequence
from served import Caller

from cairn.contracts.json import JsonObject

BODIES: dict[str, JsonObject] = {
    "replay_execution": {"checkpoint_name": "start"},
    "rollback_execution": {"checkpoint_name": "start"},
    "fork_execution": {"checkpoint_name": "start"},
    "patch_execution": {"state_patch": {"n": 1}},
    "migrate_execution": {"version": 1},
    "create_workflow": {"name": "theirs", "definition": sequence(noting("a"))},
    "create_credential": {
        "name": "theirs",
        "credential_type": "bearer_token",
        "credential_data": {"token": "a-secret-of-theirs"},
    },
    "create_tool": {
        "name": "theirs",
        "definition": {
            "schema_version": 1,
            "type": "http_api",
            "config": {"method": "GET", "url": "https://example.com"},
        },
    },
    "upload_url": {"filename": "theirs.wav", "content_type": "audio/wav", "file_size": 9},
}
"""What a schema cannot say: bodies of which some member has to be there, by operation id."""


class Sampler:
    """Makes values that a document's schemas allow: an example where there is one, else the smallest."""

    def __init__(self, document: JsonObject) -> None:
        self.document = document

    def body(self, operation: JsonObject) -> Any:
        """Return a body that an operation takes."""
        name = operation["operationId"].rpartition(".")[2]
        if name in BODIES:
            return dict(BODIES[name])
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        return content["example"] if "example" in content else self.value(content["schema"])

    def required(self, operation: JsonObject) -> JsonObject:
        """Return the smallest body that an operation takes by its schema."""
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        found = self._smallest(self._followed(content["schema"])) if content else None
        return found if isinstance(found, dict) else {}

    def members(self, operation: JsonObject) -> set[tuple[str, ...]]:
        """Return the places in an operation's body, of members and of members of members."""
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return self._places(content["schema"], frozenset()) if content else set()

    def _places(self, schema: JsonObject, above: frozenset[int]) -> set[tuple[str, ...]]:
        schema = self._followed(schema)
        if id(schema) in above:
            return set()
        above |= {id(schema)}
        found = {(name,) for name in schema.get("properties", {})}
        for name, member in schema.get("properties", {}).items():
            found |= {(name, *place) for place in self._places(member, above)}
        return found.union(
            *(self._places(each, above) for choice in ("anyOf", "oneOf", "allOf") for each in schema.get(choice, ()))
        )

    def _followed(self, schema: JsonObject) -> JsonObject:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def value(self, schema: JsonObject) -> Any:
        """Return a value that a schema allows."""
        schema = self._followed(schema)
        for known in ("examples", "enum"):
            if schema.get(known):
                return schema[known][0]
        for known in ("example", "const", "default"):
            if known in schema:
                return schema[known]
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self.value(schema[choice][0])
        return self._smallest(schema)

    def _smallest(self, schema: JsonObject) -> Any:
        match schema.get("type"):
            case "array":
                return [self.value(schema["items"]) for _ in range(schema.get("minItems", 0))]
            case "string":
                return (
                    "2024-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x" * schema.get("minLength", 1)
                )
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return False
            case "null":
                return None
            case _:
                members = schema.get("properties", {})
                return {name: self.value(members.get(name, {})) for name in schema.get("required", [])}


class Operation:
    """One operation; what its path and its query name is filled in when it is sent."""

    def __init__(self, document: JsonObject, path: str, method: str, operation: JsonObject) -> None:
        self.path, self.method, self.operation = path, method, operation
        self.query = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        self.sampler = Sampler(document)
        self.body = self.sampler.body(operation)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    async def send(self, caller: Caller, ids: Mapping[str, str]) -> httpx2.Response:
        """Send it with ids where path, query and body have places of their names."""
        return await self.ask(caller, ids, self._body(ids))

    async def ask(self, caller: Caller, ids: Mapping[str, str], body: Any) -> httpx2.Response:
        """Send it with ids in path and query, and a body."""
        query = {}
        for parameter in self.operation.get("parameters", []):
            if parameter["in"] == "query" and (parameter.get("required") or parameter["name"] in ids):
                query[parameter["name"]] = ids.get(parameter["name"]) or self.sampler.value(parameter["schema"])
        url = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], self.path)
        return await caller.http.request(self.method, url, params=query, json=body)

    def with_member(self, place: tuple[str, ...], value: Any) -> JsonObject:
        """Return a body with a member beside what has to be there; one of a member is put into the body as it is."""
        name, *below = place
        body = self.sampler.required(self.operation) if not below else {**(self.body or {})}
        inner = body
        for each in below:
            inner[name] = {**(inner.get(name) or {})}
            inner, name = inner[name], each
        inner[name] = value
        return body

    def _body(self, ids: Mapping[str, str]) -> Any:
        if not isinstance(self.body, dict):
            return self.body
        known = {name: ids[name] for name in self.body.keys() & ids.keys() if name.endswith(("_id", "_uuid"))}
        return {**self.body, **{n: int(v) if isinstance(self.body[n], int) else v for n, v in known.items()}}
