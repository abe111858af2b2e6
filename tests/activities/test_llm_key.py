"""The key that a model is asked with is in no error, however its server repeats it and whoever's it is."""

from __future__ import annotations

import traceback
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from calls import fail, node_call
from pydantic import SecretStr
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from activities.llm import AgentActivities
from activities.llm_conversation import ConversationTurns
from activities.llm_direct import DirectCallActivities
from activities.llm_turn import TurnActivities
from activities.score import ScoreActivities
from activities.writing import WritingActivities
from cairn.contracts.direct_calls import DirectRequest
from cairn.contracts.writing import WritingRequest, WritingTurn
from cairn.domain.conversations.turns import TurnMessages
from cairn.domain.credentials import Sealer
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.llm import LlmConfigService
from cairn.domain.llm.tenant_models import TenantModels
from cairn.domain.model_history import ModelHistory
from cairn.domain.tools import ToolRegistry
from cairn.domain.usage import Ledger
from cairn.graph.validate import ValidationContext
from cairn.object_store import open_store
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings
from cairn.temporal.blobs import BlobDriver

# No text that is written as JSON or as Python has them as they are.
OURS, THEIRS = "'key\"\\of-the-installation", "\"key'\\of-the-tenant"
MODEL = "openai:gpt-4o"
SEALER = Sealer([("k", bytes(32))])
OBJECT = {"type": "object", "properties": {"name": {"type": "string"}}}
RUBRIC = [{"name": "Tone", "description": None, "weight": 1.0, "min": 1.0, "max": 3.0}]


class Server:
    """Refuses what it is asked, and tells what it was sent; ``heard`` is all of that."""

    def __init__(self) -> None:
        self.heard = ""

    async def refuse(self, request: Request) -> JSONResponse:
        said = str([*request.headers.values()])
        self.heard += said
        told = {"message": f"Refused: {said}", "type": "x", "code": "c", "status": "x"}
        return JSONResponse({"error": told, "type": "error"}, 400)


@dataclass
class World:
    """What activities work with."""

    models: LanguageModels
    database: Database
    tenants: TenantModels
    blobs: Path

    def agent(self, *, streamed: bool = False) -> Any:
        tokens = TokenWriter(self.database) if streamed else None
        turns = ConversationTurns(cast("TurnMessages", None), self.tenants)
        ledger = Ledger(self.database)
        return AgentActivities(self.models, ToolRegistry([]), tokens, ledger=ledger, turns=turns).run_agent

    def turn(self) -> Any:
        history = ModelHistory(BlobDriver(open_store(self.blobs.as_uri())), None, "default")
        turns = ConversationTurns(cast("TurnMessages", None), self.tenants)
        return TurnActivities(self.models, ToolRegistry([]), history, turns=turns).call_model

    def direct(self) -> Any:
        return DirectCallActivities(self.tenants).call_directly


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def world(server: Server, sqlite_url: str, tmp_path: Path) -> AsyncGenerator[World]:
    async with serve(Starlette(routes=[Route("/{path:path}", server.refuse, methods=["POST"])])) as url:
        urls = {f"{name}_base_url": url for name in ("openai", "anthropic", "google")}
        keys = {f"{name}_api_key": SecretStr(OURS) for name in ("openai", "anthropic", "google")}
        settings = Settings(default_model=MODEL, **cast("dict[str, Any]", urls | keys))
        models, database = LanguageModels(settings), Database(create_engine(sqlite_url))
        yield World(models, database, TenantModels(database, SEALER, models, settings), tmp_path / "blobs")
        await models.aclose()
        await database.dispose()


def asking(model: str = MODEL, **data: Any) -> Any:
    return node_call(prompt="Say it", model=model, **data)


def of_turn(**data: Any) -> Any:
    return asking(history=None, results=[], **data)


def directly() -> DirectRequest:
    said = [{"role": "user", "content": "Say it"}]
    return DirectRequest(tenant="t", use_case="chat", model=MODEL, messages=said, timeout=60)


async def refused(activity: Any, call: Any) -> str:
    """Return all that the failure tells."""
    failure = await fail(activity, call)
    assert (failure.type, failure.non_retryable) == ("model_rejected", True)
    assert "Refused" in failure.message and "…" in failure.message
    return "".join(traceback.format_exception(failure)) + str(failure.details)


@pytest.mark.parametrize(
    ("activity", "call"),
    [
        (World.agent, asking()),
        (World.agent, asking("anthropic:claude-sonnet-4-6")),
        (World.agent, asking("google:gemini-3-flash")),
        (lambda world: world.agent(streamed=True), asking()),
        (World.agent, asking(output_schema=OBJECT)),
        (World.agent, asking(use_case="chat")),
        (World.turn, of_turn()),
        (World.turn, of_turn(use_case="chat")),
        (World.direct, directly()),
        (lambda world: ScoreActivities(world.models).run_score, node_call(rubric=RUBRIC, of="Hello", model=MODEL)),
        (
            lambda world: WritingActivities(world.models, ValidationContext()).write_graph,
            WritingTurn(request=WritingRequest(tenant="t", description="Greet")),
        ),
    ],
    ids=[
        "answer",
        "anthropic",
        "google",
        "streamed",
        "loop",
        "conversation",
        "turn",
        "turn-of-conversation",
        "direct",
        "score",
        "writing",
    ],
)
async def test_the_installations_key_is_not_told(
    server: Server, world: World, activity: Callable[[World], Any], call: Any
) -> None:
    assert "of-the-installation" not in await refused(activity(world), call)
    assert "of-the-installation" in server.heard


@pytest.mark.parametrize(
    ("activity", "call"),
    [(World.agent, asking(use_case="chat")), (World.turn, of_turn(use_case="chat")), (World.direct, directly())],
    ids=["conversation", "turn-of-conversation", "direct"],
)
async def test_the_tenants_key_is_not_told(
    server: Server, world: World, activity: Callable[[World], Any], call: Any
) -> None:
    async with world.database.transaction() as session:
        configs = LlmConfigService(session, Scope("t", True), SEALER, Settings())
        await configs.save("openai", THEIRS)
        await configs.switch("byok")
    assert "of-the-tenant" not in await refused(activity(world), call)
    assert "of-the-tenant" in server.heard and "of-the-installation" not in server.heard


async def test_what_does_not_repeat_the_key_is_told_in_full() -> None:
    async def refuse(request: Request) -> JSONResponse:
        return JSONResponse({"error": {"message": "No such thing", "type": "x", "code": "c"}}, 400)

    async with serve(Starlette(routes=[Route("/{path:path}", refuse, methods=["POST"])])) as url:
        models = LanguageModels(Settings(openai_base_url=url, openai_api_key=SecretStr(OURS)))
        failure = await fail(AgentActivities(models, ToolRegistry([])).run_agent, asking())
        await models.aclose()
    assert "No such thing" in failure.message and "No such thing" in str(failure.__cause__)
