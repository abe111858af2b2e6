"""What every surface owes its callers: the same manners, each in its own documented shape."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import httpx2
import jsonschema
import pytest
from served import Caller, Callers

from cairn.contracts.json import JsonObject

DEFINITION = {
    "nodes": [
        {"id": "s", "type": "start", "data": {"name": "start"}},
        {"id": "e", "type": "end", "data": {"name": "end"}},
    ],
    "edges": [{"id": "1", "source": "s", "target": "e", "data": {"label": "go"}}],
}


@dataclass(frozen=True)
class Facts:
    """Where the suite finds what it asks of a surface.

    Attributes:
        list: template of a list.
        item: template of an item.
        bad_query: of the list.
        create: template of a POST.
        body: that it takes; ``{graph}`` stands for the uuid of a published graph.
        bad_body: one that breaks a rule.
    """

    list: str
    item: str
    bad_query: str
    create: str
    body: JsonObject
    bad_body: JsonObject


SURFACES = {
    "omium": Facts(
        list="/api/v1/executions",
        item="/api/v1/executions/{execution_id}",
        bad_query="page=0",
        create="/api/v1/executions",
        body={"workflow_id": "{graph}", "input_data": {"n": 1}},
        bad_body={"workflow_id": 5},
    ),
    "voice": Facts(
        list="/api/v1/workflow/fetch",
        item="/api/v1/workflow/fetch/{workflow_id}",
        bad_query="status=asleep",
        create="/api/v1/workflow/create/definition",
        body={"name": "n", "definition": DEFINITION},
        bad_body={"name": "", "definition": DEFINITION},
    ),
}


class Asked:
    """A surface as the suite asks it: every error is checked against the surface's OpenAPI document."""

    def __init__(self, name: str, facts: Facts, callers: Callers, document: JsonObject) -> None:
        self.name, self.facts, self.callers, self.document = name, facts, callers, document

    def item(self, item_id: str) -> str:
        return self.facts.item.partition("{")[0] + item_id

    def refused(self, reply: httpx2.Response, status: int, method: str = "", template: str = "") -> JsonObject:
        """Check an error: status, documented shape, request id; return its body."""
        assert reply.status_code == status, reply.text
        assert reply.headers["content-type"] == "application/json"
        body = reply.json()
        schema = {"$ref": "#/components/schemas/Error"}
        if template:
            described = self.document["paths"][template][method]["responses"][str(status)]
            schema = described["content"]["application/json"]["schema"]
        jsonschema.validate(body, {**schema, "components": self.document["components"]})
        assert body["request_id"] == reply.headers["X-Request-ID"]
        return body

    async def body(self, caller: Caller) -> JsonObject:
        text = json.dumps(self.facts.body)
        if "{graph}" in text:
            text = text.replace("{graph}", (await caller.publish(DEFINITION))["uuid"])
        return json.loads(text)


@pytest.fixture(params=SURFACES)
async def surface(request: pytest.FixtureRequest, callers: Callers) -> Asked:
    document = (await callers.client().get(f"/{request.param}/openapi.json")).json()
    return Asked(request.param, SURFACES[request.param], callers, document)


@pytest.fixture
async def caller(callers: Callers) -> Caller:
    return await callers.new()


async def test_an_unknown_path_and_method(surface: Asked, caller: Caller) -> None:
    surface.refused(await caller.http.get(f"/{surface.name}/api/v1/nowhere"), 404)
    surface.refused(await caller.http.get(surface.facts.list + "/"), 404)
    refused = await caller.http.delete(surface.facts.list)
    surface.refused(refused, 405)
    allowed = {method.upper() for method in surface.document["paths"][surface.facts.list]}
    assert set(refused.headers["Allow"].split(", ")) == allowed


async def test_an_unknown_id(surface: Asked, caller: Caller) -> None:
    for unknown in ("unknown", "999999999", "9" * 40, "a" * 2000, "%F0%9F%97%BF", "a%0Ab%0A", "..%2f..%2fetc", "'--"):
        surface.refused(await caller.http.get(surface.item(unknown)), 404, "get", surface.facts.item)


async def test_no_key_and_a_wrong_key(surface: Asked, caller: Caller) -> None:
    keyless = surface.callers.client()
    wrong = caller.key[:-1] + ("a" if caller.key[-1] != "a" else "b")
    for headers in (
        {},
        {"X-API-Key": wrong},
        {"X-API-Key": "nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {caller.key}"},
        {"Authorization": f"Bearer {wrong}"},
        {"Authorization": f"Bearer {wrong}", "X-API-Key": caller.key},
    ):
        reply = await keyless.get(surface.facts.list, headers=headers)
        surface.refused(reply, 401, "get", surface.facts.list)
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    # Who calls is asked before what is sent is read.
    reply = await keyless.post(surface.facts.create, content=b"{", headers={"Content-Type": "application/json"})
    surface.refused(reply, 401, "post", surface.facts.create)


async def test_a_key_works_in_either_header_and_on_every_surface(surface: Asked, callers: Callers) -> None:
    for prefix in ("omium_", "dgr_", "af_", "wf_", "omf_live_", "omf_test_"):
        key = await callers.key("tenant", prefix=prefix)
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
            assert (await callers.client().get(surface.facts.list, headers=headers)).status_code == 200


async def test_a_revoked_key(surface: Asked, caller: Caller) -> None:
    from cairn.domain.keys import KeyService

    async with surface.callers.database.transaction() as session:
        await KeyService(session, b"").revoke(caller.tenant, caller.key[: caller.key.index("_") + 13])
    surface.refused(await caller.http.get(surface.facts.list), 401, "get", surface.facts.list)


async def test_a_missing_scope(surface: Asked, callers: Callers) -> None:
    caller = await callers.new(scopes=["nothing:read"])
    surface.refused(await caller.http.get(surface.facts.list), 403, "get", surface.facts.list)
    reply = await caller.http.post(surface.facts.create, json=surface.facts.bad_body, headers={"Idempotency-Key": "k"})
    surface.refused(reply, 403, "post", surface.facts.create)


async def test_another_tenants_and_the_other_modes_things(surface: Asked, callers: Callers) -> None:
    owner = await callers.new()
    made = await owner.http.post(surface.facts.create, json=await surface.body(owner))
    item = surface.item(str(made.json()["id"]))
    assert (await owner.http.get(item)).status_code == 200
    for other in (await callers.new(), await callers.new(owner.tenant, live=False)):
        surface.refused(await other.http.get(item), 404, "get", surface.facts.item)
        listed = await other.http.get(surface.facts.list)
        assert str(made.json()["id"]) not in json.dumps(listed.json())


async def test_a_bad_query(surface: Asked, caller: Caller) -> None:
    reply = await caller.http.get(f"{surface.facts.list}?{surface.facts.bad_query}")
    surface.refused(reply, 422, "get", surface.facts.list)


async def test_a_body_that_breaks_a_rule(surface: Asked, caller: Caller) -> None:
    for body in (surface.facts.bad_body, {}, [], None, "text", 5):
        reply = await caller.http.post(surface.facts.create, json=body)
        surface.refused(reply, 422, "post", surface.facts.create)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\\ud800"}',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 1_000_000,
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_a_body_that_is_not_json(surface: Asked, caller: Caller, body: bytes) -> None:
    json_type = {"Content-Type": "application/json"}
    reply = await caller.http.post(surface.facts.create, content=body, headers=json_type)
    surface.refused(reply, 422 if body == b"" else 400, "post", surface.facts.create)
    assert (await caller.http.get(surface.facts.list)).status_code == 200


async def test_a_body_that_is_sent_as_something_else(surface: Asked, caller: Caller) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        reply = await caller.http.post(surface.facts.create, content=b"{}", headers={"Content-Type": content_type})
        surface.refused(reply, 415, "post", surface.facts.create)


async def test_a_body_over_the_limit(surface: Asked, caller: Caller) -> None:
    limit = 10 * 1024 * 1024
    reply = await caller.http.post(surface.facts.create, content=b"[" + b" " * limit)
    surface.refused(reply, 413, "post", surface.facts.create)

    async def chunks():
        for _ in range(11):
            yield b" " * 1024 * 1024

    # Without a Content-Length only counting tells.
    json_type = {"Content-Type": "application/json"}
    reply = await caller.http.post(surface.facts.create, content=chunks(), headers=json_type)
    surface.refused(reply, 413, "post", surface.facts.create)
    # Also where no body is expected.
    reply = await caller.http.request("GET", surface.facts.list, content=b" " * (limit + 1))
    surface.refused(reply, 413)


async def test_a_callers_own_request_id_is_taken_over_when_it_is_harmless(surface: Asked, caller: Caller) -> None:
    path = surface.item("unknown")
    reply = await caller.http.get(path, headers={"X-Request-ID": "mine-1.2_3"})
    assert surface.refused(reply, 404)["request_id"] == "mine-1.2_3"
    for odd in ("a b", "x" * 129, "<script>"):
        reply = await caller.http.get(path, headers={"X-Request-ID": odd})
        assert surface.refused(reply, 404)["request_id"].startswith("req_")
    assert (await caller.http.get(surface.facts.list)).headers["X-Request-ID"].startswith("req_")


async def test_an_idempotency_key_makes_one_of_two(surface: Asked, caller: Caller) -> None:
    body = await surface.body(caller)
    key = {"Idempotency-Key": "one"}
    first = await caller.http.post(surface.facts.create, json=body, headers=key)
    again = await caller.http.post(surface.facts.create, json=body, headers=key)
    assert first.status_code < 300 and "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["content-type"] == "application/json"
    other = await caller.http.post(surface.facts.create, json=surface.facts.bad_body, headers=key)
    surface.refused(other, 422, "post", surface.facts.create)
    for bad in ("", "x" * 256):
        reply = await caller.http.post(surface.facts.create, json=body, headers={"Idempotency-Key": bad})
        surface.refused(reply, 400, "post", surface.facts.create)


async def test_an_idempotency_key_belongs_to_one_api_key_and_is_free_after_a_validation_error(
    surface: Asked, callers: Callers, caller: Caller
) -> None:
    key = {"Idempotency-Key": "two"}
    refused = await caller.http.post(surface.facts.create, json=surface.facts.bad_body, headers=key)
    surface.refused(refused, 422, "post", surface.facts.create)
    body = await surface.body(caller)
    made = await caller.http.post(surface.facts.create, json=body, headers=key)
    assert made.status_code < 300
    other = await callers.new(caller.tenant)
    another = await other.http.post(surface.facts.create, json=body, headers=key)
    assert another.status_code < 300 and "Idempotent-Replayed" not in another.headers
    assert another.json()["id"] != made.json()["id"]


async def test_the_same_request_many_times_at_once_makes_one(surface: Asked, caller: Caller) -> None:
    body = await surface.body(caller)
    send = [caller.http.post(surface.facts.create, json=body, headers={"Idempotency-Key": "many"}) for _ in range(12)]
    replies = await asyncio.gather(*send)
    made = [reply for reply in replies if reply.status_code < 300]
    assert made and len({reply.json()["id"] for reply in made}) == 1
    assert sum("Idempotent-Replayed" not in reply.headers for reply in made) == 1
    for reply in replies:
        if reply not in made:
            surface.refused(reply, 409, "post", surface.facts.create)
