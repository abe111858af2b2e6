"""The ASGI application: all surfaces behind one dispatcher, their reference, and what lives as long as the process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from api.agentflow.conventions import AGENTFLOW
from api.agentflow.routes import (
    agent_tools,
    agents,
    approvals,
    cancellation,
    capabilities,
    chat,
    context,
    conversation_summaries,
    conversations,
    hooks,
    llm,
    llm_config,
    models,
    prompt_blocks,
    questions,
    skills,
    subagents,
    system,
    usage,
    user_settings,
)
from api.codec.conventions import CODEC, allow_origins
from api.codec.routes import payloads, session
from api.dispatcher import Dispatcher
from api.kit.application import surface_app
from api.kit.context import Context
from api.kit.rate_limit import RateLimiter
from api.kit.request_log import RequestLog
from api.kit.route import respond
from api.omium.conventions import OMIUM
from api.omium.routes import checkpoints, commands, events, execution_diagrams, executions, resets, schedules
from api.omniflow.conventions import OMNIFLOW
from api.reference import Reference
from api.voice.conventions import VOICE
from api.voice.routes import (
    calls,
    credentials,
    diagrams,
    differences,
    folders,
    node_types,
    references,
    report,
    templates,
    tools,
    uploads,
    versions,
    workflows,
)
from api.workflux.conventions import WORKFLUX
from cairn.domain.credentials import Sealer
from cairn.domain.executions.story import Stories, TokenFeed
from cairn.domain.executions.token_wakeups import wakeups
from cairn.domain.keys import load_secret
from cairn.domain.tools.registry import load_tools
from cairn.graph.validate import ValidationContext
from cairn.object_store import open_store
from cairn.observability import measure_http, temporal_interceptors
from cairn.persistence.session import Database, create_engine
from cairn.providers.mcp import server_names
from cairn.settings import Settings, get_settings
from cairn.temporal.connection import connect
from cairn.temporal.executions import ExecutionClient


def surfaces(settings: Settings) -> dict[str, FastAPI]:
    """Return the application of each surface, by name."""
    apps = {
        surface.name: surface_app(surface, routers, settings.body_limit)
        for surface, routers in (
            (
                OMIUM,
                [
                    executions.router,
                    commands.router,
                    resets.router,
                    events.router,
                    checkpoints.router,
                    schedules.router,
                    execution_diagrams.router,
                ],
            ),
            (
                VOICE,
                [
                    calls.router,
                    uploads.router,
                    uploads.links,
                    report.router,
                    diagrams.router,
                    differences.router,
                    templates.router,
                    node_types.router,
                    credentials.router,
                    tools.router,
                    references.router,
                    folders.router,
                    # Last: what they have an id in, others have words in.
                    workflows.router,
                    versions.router,
                ],
            ),
            (
                AGENTFLOW,
                [
                    system.router,
                    agents.router,
                    subagents.router,
                    conversation_summaries.router,
                    chat.router,
                    context.router,
                    capabilities.router,
                    conversations.router,
                    cancellation.router,
                    agent_tools.router,
                    approvals.router,
                    questions.router,
                    hooks.router,
                    prompt_blocks.router,
                    skills.router,
                    skills.of_agents,
                    models.router,
                    llm_config.router,
                    llm.router,
                    usage.router,
                    user_settings.router,
                ],
            ),
            (WORKFLUX, []),
            (OMNIFLOW, []),
            (CODEC, [payloads.router, session.router]),
        )
    }
    allow_origins(apps[CODEC.name], settings)
    return apps


@asynccontextmanager
async def _context(settings: Settings) -> AsyncGenerator[Context]:
    database, known = Database(create_engine(settings.database)), load_tools(settings)
    tokens = TokenFeed(database, wakeups(database), Stories())
    try:
        client = await connect(settings, interceptors=temporal_interceptors(settings))
        yield Context(
            settings=settings,
            database=database,
            temporal=ExecutionClient(client, settings),
            secret=load_secret(settings),
            limiter=RateLimiter(settings.rate_limit),
            tokens=tokens,
            storage=open_store(settings.storage),
            tools=known,
            sealer=Sealer.of(settings),
            validation=ValidationContext(
                known_tools=frozenset(known.names()),
                repeatable_tools=known.repeatable(),
                known_mcp_servers=server_names(settings),
            ),
        )
    finally:
        await tokens.wakeups.aclose()
        await database.dispose()


def _on_reference_error(request: Request, error: Exception) -> Response:
    return respond(request, error)


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Return the application. Connections are made when it starts (ASGI lifespan); Temporal may be away."""
    settings = settings or get_settings()
    apps = surfaces(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with _context(settings) as context:
            for app in apps.values():
                app.state.context = context
            yield

    app = Starlette(
        routes=Reference(apps).routes(), lifespan=lifespan, exception_handlers={HTTPException: _on_reference_error}
    )
    app.state.surface = AGENTFLOW
    # Not a mount: its pattern finds no path with a line break in it.
    app.router.default = Dispatcher(apps, fallback=AGENTFLOW.name)
    app.router.redirect_slashes = False
    return RequestLog(measure_http(app, settings))
