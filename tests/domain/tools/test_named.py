"""Tools that agents call by name: found by tenant, run by kind, refused where a person has to agree."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from cairn.domain.credentials import CredentialHeaders, Sealer
from cairn.domain.tools import InvalidArguments, ToolContext, ToolError, UnknownTool, load_tools
from cairn.domain.tools.authored import Toolbox, ToolService, read_spec
from cairn.errors import Conflict, InvalidInput, NotFound
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings

ACME, OTHER, TEST = Scope("acme", True), Scope("other", True), Scope("acme", False)
TOOLS = load_tools(Settings())
CALL = ToolContext("key-1", "e1", "acme", True, "n1", 1, "l1")
SQUARE = {
    "name": "square",
    "kind": "python",
    "args_schema": {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]},
    "function_code": "def run(n):\n    return n * n",
}


@pytest.fixture
async def kept(sqlite_url: str) -> AsyncGenerator[Database]:
    database = Database(create_engine(sqlite_url))
    yield database
    await database.dispose()


@pytest.fixture
def toolbox(kept: Database) -> Toolbox:
    return Toolbox(Settings(), kept, TOOLS, CredentialHeaders(kept, Sealer([("k", bytes(32))])))


async def register(kept: Database, scope: Scope = ACME, **values) -> str:
    async with kept.transaction() as session:
        return (await ToolService(session, scope, "ada", TOOLS).register(read_spec({**SQUARE, **values}))).uuid


async def test_it_runs_in_the_sandbox_for_its_tenant_alone(kept: Database, toolbox: Toolbox) -> None:
    await register(kept)
    (square,) = (await toolbox.find("acme", True, "square")).names()
    assert square == "square"
    found = await toolbox.registry_for("acme", True, "square")
    assert await found.get("square").run({"n": 3}, CALL) == 9
    for tenant, live in (("other", True), ("acme", False)):
        assert (await toolbox.find(tenant, live, "square")).names() == []
        with pytest.raises(UnknownTool):
            await toolbox.named(tenant, live, ["square"])
    for scope in (OTHER, TEST):
        await register(kept, scope, function_code="def run(n):\n    return -n")
    assert await (await toolbox.registry_for("other", True, "square")).get("square").run({"n": 3}, CALL) == -3
    assert await (await toolbox.registry_for("acme", True, "square")).get("square").run({"n": 3}, CALL) == 9


async def test_what_a_model_is_shown(kept: Database, toolbox: Toolbox) -> None:
    uuid = await register(kept, description="Square it.")
    first, second = await toolbox.named("acme", True, ["square", "echo", "square"])
    assert (first.name, first.description, first.parameters) == ("square", "Square it.", SQUARE["args_schema"])
    assert second is TOOLS.get("echo")
    with pytest.raises(UnknownTool, match="nowhere"):
        await toolbox.named("acme", True, ["square", "nowhere"])
    async with kept.transaction() as session:
        await ToolService(session, ACME, None, TOOLS).archive(uuid)
    assert [each.name for each in await toolbox.named("acme", True, ["square", "echo"])] == ["echo"]
    assert await toolbox.registry_for("acme", True, "square") is TOOLS
    await register(kept, description="Anew.")
    assert [each.description for each in await toolbox.named("acme", True, ["square"])] == ["Anew."]


async def test_arguments_are_checked_before_anything_runs(kept: Database, toolbox: Toolbox) -> None:
    await register(kept)
    (square,) = await toolbox.named("acme", True, ["square"])
    square.check({"n": 3})
    for wrong in ({}, {"n": "3"}):
        with pytest.raises(InvalidArguments, match="refuses its arguments"):
            square.check(wrong)
        with pytest.raises(InvalidArguments):
            await square.run(wrong, CALL)


async def test_a_call_that_nobody_has_approved_is_refused(kept: Database, toolbox: Toolbox) -> None:
    uuid = await register(kept, require_approval=True)
    (square,) = await toolbox.named("acme", True, ["square"])
    with pytest.raises(ToolError) as refused:
        await square.run({"n": 3}, CALL)
    assert (refused.value.code, refused.value.retryable) == ("approval_required", False)
    assert await square.run({"n": 3}, replace(CALL, approved=True)) == 9
    assert (await toolbox.open("acme", True, [uuid])).names() == []  # nodes of calls cannot ask


async def test_nodes_of_calls_name_it_by_uuid(kept: Database, toolbox: Toolbox) -> None:
    uuid = await register(kept)
    opened = await toolbox.open("acme", True, [uuid])
    assert opened.names() == ["square"]
    with pytest.raises(NotFound):
        await toolbox.open("other", True, [uuid])


async def test_a_name_is_had_once_and_is_free_again(kept: Database) -> None:
    uuid = await register(kept)
    with pytest.raises(Conflict) as taken:
        await register(kept)
    assert taken.value.code == "tool_exists"
    with pytest.raises(Conflict):
        await register(kept, name="echo")
    async with kept.transaction() as session:
        await ToolService(session, ACME, None, TOOLS).archive(uuid)
    await register(kept)


async def test_a_sandbox_that_is_missing_is_told(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    await register(kept)
    credentials = CredentialHeaders(kept, Sealer([("k", bytes(32))]))
    (square,) = await Toolbox(Settings(sandbox="eryx"), kept, TOOLS, credentials).named("acme", True, ["square"])
    with pytest.raises(ToolError) as refused:
        await square.run({"n": 3}, CALL)
    assert (refused.value.code, refused.value.retryable) == ("sandbox_missing", False)


async def test_private_addresses_are_refused(kept: Database, toolbox: Toolbox) -> None:
    http = {"kind": "http", "function_code": None, "http": {"url": "http://127.0.0.1:9/{n}"}}
    await register(kept, **http)
    (square,) = await toolbox.named("acme", True, ["square"])
    with pytest.raises(ToolError) as refused:
        await square.run({"n": 3}, CALL)
    assert refused.value.code == "address_refused"


@pytest.mark.parametrize(
    ("code", "schema"),
    [
        ("def run(**arguments): return 1", {"properties": {"a": {}}, "additionalProperties": True}),
        ("def run(a=1, *, b=2): return 1", {"properties": {"a": {}, "b": {}}}),
        ("def run(): return 1", {}),
        ("def run(a): return 0\ndef run(): return 1", {}),
    ],
)
def test_code_that_fits_its_schema(code: str, schema: dict) -> None:
    read_spec({**SQUARE, "function_code": code, "args_schema": {"type": "object", **schema}})


@pytest.mark.parametrize(
    ("code", "schema"),
    [
        ("def run(a): return 1", {"properties": {"a": {}}}),
        ("def run(): return 1", {"properties": {"a": {}}}),
        ("def run(): return 1", {"additionalProperties": True}),
        ("async def run(): return 1", {}),
        ("run = 1", {}),
        ("class A:\n    def run(self): return 1", {}),
    ],
)
def test_code_that_does_not(code: str, schema: dict) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_spec({**SQUARE, "function_code": code, "args_schema": {"type": "object", **schema}})
    assert {each.pointer for each in refused.value.errors} == {"/function_code"}
