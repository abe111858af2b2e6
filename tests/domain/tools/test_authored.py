"""Tools that authors make: what is kept, what a model may call, what is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from persistence.rows import Executions
from pydantic import TypeAdapter, ValidationError
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cairn.contracts.json import Json
from cairn.domain.credentials import CredentialHeaders, CredentialService, Sealer
from cairn.domain.tools import InvalidArguments, ToolContext, ToolError, load_tools
from cairn.domain.tools.authored import Toolbox, ToolService, native_uuid
from cairn.domain.tools.authored.definition import ToolDefinition
from cairn.errors import NotFound
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings

ACME = Scope("acme", True)
SEALER = Sealer([("k", bytes(32))])
TOOLS = load_tools(Settings())
CALL = ToolContext("key-1", "e1", "acme", True, "n1", 1, "l1")


async def show(request: Request) -> Response:
    body = (await request.body()).decode()
    seen = {"method": request.method, "query": dict(request.query_params), "headers": dict(request.headers)}
    request.app.state.authorization = request.headers.get("authorization")
    return JSONResponse({**seen, "body": json.loads(body) if body else None}, 418)


def repeat(request: Request) -> Response:
    """Refuse a password, and name it."""
    user, password = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode().split(":")
    if request.url.path == "/text":
        return Response(f"{user} has no password {password}.", 401)
    return JSONResponse({"user": user, "tries": [1, {"password": password}], "ok": False}, 401)


APP = Starlette(
    routes=[
        Route("/show", show, methods=["GET", "POST", "DELETE"]),
        Route("/large", lambda _: Response(b"x" * (1024 * 1024 + 1))),
        Route("/text", repeat),
        Route("/json", repeat),
    ]
)


@pytest.fixture(scope="module")
async def base() -> AsyncGenerator[str]:
    async with serve(APP) as url:
        yield url


@pytest.fixture
async def kept(sqlite_url: str) -> AsyncGenerator[Database]:
    database = Database(create_engine(sqlite_url))
    yield database
    await database.dispose()


def http(url: str, method: str = "POST", **config) -> dict:
    definition = {"type": "http_api", "config": {"method": method, "url": url, **config}}
    return TypeAdapter(ToolDefinition).validate_python(definition).model_dump()


async def make(database: Database, name: str, definition: dict, scope: Scope = ACME, **more) -> str:
    async with database.transaction() as session:
        return (await ToolService(session, scope, "ann", TOOLS).create(name, definition, **more)).uuid


def toolbox(database: Database, **settings) -> Toolbox:
    settings = Settings(**{"http_allow_private": True, **settings})
    return Toolbox(settings, database, TOOLS, CredentialHeaders(database, SEALER))


async def test_a_request_carries_what_model_call_and_credential_give(base: str, kept: Database) -> None:
    async with kept.transaction() as session:
        secret = await CredentialService(session, ACME, SEALER).create("c", "bearer_token", {"token": "hush"})
    definition = http(
        f"{base}/show",
        credential_uuid=secret.uuid,
        headers={"X-Own": "v", "Authorization": "mine"},
        parameters=[
            {"name": "order-no", "type": "string", "description": "Number."},
            {"name": "json", "type": "number", "description": "n", "required": False},
        ],
        preset_parameters=[{"name": "phone", "type": "string", "value_template": "{{initial_context.phone}}"}],
    )
    uuid = await make(kept, "Look up order!", definition, description="Looks an order up.")
    await (await Executions.of(kept)).add(CALL.execution_id, input_data={"phone": "+49"})
    (tool,) = await toolbox(kept).open("acme", True, [uuid])
    assert tool.name == f"Look_up_order_{uuid[:8]}"
    (again,) = await toolbox(kept).find("acme", True, tool.name)
    assert again.parameters == tool.parameters
    assert tool.description == "Looks an order up."
    assert tool.parameters["required"] == ["order-no"] and set(tool.parameters["properties"]) == {"order-no", "json"}
    reply = await tool.run({"order-no": "7"}, CALL)
    assert reply["status"] == 418
    seen = reply["body"]
    assert (seen["method"], seen["body"]) == ("POST", {"order-no": "7", "phone": "+49"})
    assert APP.state.authorization == "Bearer hush"
    assert (seen["headers"]["authorization"], seen["headers"]["x-own"]) == ("…", "v")
    assert seen["headers"]["idempotency-key"] == "key-1"
    with pytest.raises(InvalidArguments):
        await tool.run({"phone": "another"}, CALL)


@pytest.mark.parametrize(
    ("path", "body"),
    [("text", "ann has no password …."), ("json", {"user": "ann", "tries": [1, {"password": "…"}], "ok": False})],
)
async def test_what_a_server_repeats_of_a_credential_is_no_models_business(
    base: str, kept: Database, path: str, body: Json
) -> None:
    async with kept.transaction() as session:
        service = CredentialService(session, ACME, SEALER)
        secret = await service.create("c", "basic_auth", {"username": "ann", "password": 'sh"h/ü'})
    uuid = await make(kept, "t", http(f"{base}/{path}", "GET", credential_uuid=secret.uuid))
    (tool,) = await toolbox(kept).open("acme", True, [uuid])
    assert await tool.run({}, CALL) == {"status": 401, "body": body}


async def test_presets_see_what_the_texts_of_the_call_see(base: str, kept: Database) -> None:
    templates = {"who": "{{ name | it's nobody }}", "n": "{{ pizzas }}", "wrong": "{{ a | nonsense(1) }}"}
    presets = [{"name": each, "type": "string", "value_template": text} for each, text in templates.items()]
    uuid = await make(kept, "t", http(f"{base}/show", preset_parameters=presets[:2]))
    (tool,) = await toolbox(kept).open("acme", True, [uuid])
    assert tool.reads == {"name", "pizzas"}
    for given, seen in (({"name": "Ada", "pizzas": 3}, "Ada"), ({"pizzas": 3}, "it's nobody")):
        reply = await tool.run({}, replace(CALL, given=given))
        assert reply["body"]["body"] == {"who": seen, "n": "3"}
    wrong = await make(kept, "t", http(f"{base}/show", preset_parameters=presets[1:]))
    assert [each.reads for each in await toolbox(kept).open("acme", True, [wrong])] == [{"pizzas"}]


async def test_get_has_its_parameters_in_the_query(base: str, kept: Database) -> None:
    parameters = [{"name": "the_call", "type": "object", "description": "d"}]
    uuid = await make(kept, "t", http(f"{base}/show?a=1", "GET", parameters=parameters))
    (tool,) = await toolbox(kept).open("acme", True, [uuid])
    seen = (await tool.run({"the_call": {"b": "ü"}}, CALL))["body"]
    assert (seen["query"], seen["body"]) == ({"a": "1", "the_call": '{"b": "ü"}'}, None)


async def test_failures_are_told_to_the_model(base: str, kept: Database) -> None:
    preset = [{"name": "n", "type": "number", "value_template": "{{ missing }}"}]
    for name, definition, settings, code in (
        ("preset", http(f"{base}/show", preset_parameters=preset), {}, "invalid_arguments"),
        ("private", http(f"{base}/show"), {"http_allow_private": False}, "address_refused"),
        ("large", http(f"{base}/large", "GET"), {}, "invalid_reply"),
        ("nobody", http("http://127.0.0.1:9/", "GET"), {}, "connection_error"),
    ):
        uuid = await make(kept, name, definition)
        (tool,) = await toolbox(kept, **settings).open("acme", True, [uuid])
        with pytest.raises(ToolError) as failed:
            await tool.run({}, CALL)
        assert failed.value.code == code


async def test_tools_of_the_installation_and_of_the_author_stand_side_by_side(kept: Database) -> None:
    calculator = {"type": "calculator", "schema_version": 1}
    uuids = [await make(kept, "Sum", calculator), await make(kept, "Sum", calculator), native_uuid("echo")]
    opened = await toolbox(kept).open("acme", True, [*uuids, uuids[0]])
    assert opened.names() == sorted([f"Sum_{uuids[0][:8]}", f"Sum_{uuids[1][:8]}", "echo"])
    assert await opened.get(f"Sum_{uuids[1][:8]}").run({"expression": "2 * 3"}, CALL) == 6
    async with kept.transaction() as session:
        service = ToolService(session, ACME, "ann", TOOLS)
        listed = await service.list()
        assert [each.name for each in listed] == ["Sum", "Sum", *TOOLS.names()]
        assert await service.known([*uuids, "nonsense", "\ud800"]) == set(uuids)
        assert (await service.archive(uuids[0])).status == "archived"
        assert await service.known(uuids) == set(uuids[1:])
        assert [each.uuid for each in await service.list(("archived",))] == [uuids[0]]
        assert [each.category for each in await service.list(category="calculator")] == ["calculator"]
        with pytest.raises(NotFound):
            await service.archive(native_uuid("echo"))
    assert (await toolbox(kept).open("acme", True, uuids)).names() == [f"Sum_{uuids[1][:8]}", "echo"]
    for gone in (f"Sum_{uuids[0][:8]}", f"Sun_{uuids[1][:8]}", "Sum_%%%%%%%%", "echo"):
        assert (await toolbox(kept).find("acme", True, gone)).names() == []


async def test_others_tools_and_credentials_do_not_exist(base: str, kept: Database) -> None:
    async with kept.transaction() as session:
        theirs = await CredentialService(session, Scope("other", True), SEALER).create("c", "none", {})
    with pytest.raises(NotFound) as refused:
        await make(kept, "t", http(f"{base}/show", credential_uuid=theirs.uuid))
    assert refused.value.code == "credential_not_found"
    uuid = await make(kept, "t", http(f"{base}/show"), Scope("other", True))
    with pytest.raises(NotFound):
        await toolbox(kept).open("acme", True, [uuid])
    assert (await toolbox(kept).find("acme", True, f"t_{uuid[:8]}")).names() == []


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "transfer_call", "config": {"destination": "+491"}},
        {"type": "http_api", "config": {"method": "GET", "url": "file:///etc/passwd"}},
        {"type": "http_api", "config": {"method": "GET", "url": "http://a:99999/"}},
        {"type": "http_api", "config": {"method": "GET", "url": "http://a/", "headers": {"a": "b\r\nc: d"}}},
        {"type": "http_api", "config": {"method": "TRACE", "url": "http://a/"}},
    ],
)
def test_what_cannot_be_done_is_refused(definition: dict) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ToolDefinition).validate_python(definition)
