"""The API as it is served: uvicorn on a loopback port in this process, and callers with keys of their own tenants."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from installation import Cairn, until
from servers.listen import Server

from api.app import create_app
from api.kit.connections import give_up_after
from cairn.contracts.json import JsonObject
from cairn.domain.keys import KeyService, load_secret
from cairn.persistence.session import Database
from cairn.settings import Settings


@asynccontextmanager
async def served(settings: Settings, patience: int = 5) -> AsyncIterator[str]:
    """Serve the API; give its base URL. When it ends, requests have so many seconds to end too."""
    # With the protocol named, asyncio sends what is written at once. Without it the second part of a reply, its body,
    # waits until the client has acknowledged the first, which takes the client 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        give_up_after(listening, settings.stream_patience)
        config = uvicorn.Config(
            create_app(settings), lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=patience
        )
        server = Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started or task.done())
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.end()
            await task


@dataclass
class Caller:
    """Someone with a key, and short ways to what tests do all the time."""

    http: httpx2.AsyncClient
    tenant: str
    key: str

    async def publish(self, definition: JsonObject, name: str = "graph") -> JsonObject:
        body = {"name": name, "definition": definition}
        reply = await self.http.post("/api/v1/workflow/create/definition", json=body)
        assert reply.status_code == 200 and not reply.json()["errors"], reply.text
        return reply.json()

    async def start(self, definition: JsonObject, **body) -> JsonObject:
        workflow = await self.publish(definition)
        reply = await self.http.post("/api/v1/executions", json={"workflow_id": workflow["uuid"], **body})
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def get(self, execution_id: str) -> JsonObject:
        reply = await self.http.get(f"/api/v1/executions/{execution_id}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def reach(self, execution_id: str, status: str) -> JsonObject:
        async def reached() -> JsonObject | None:
            now = await self.get(execution_id)
            return now if now["status"] == status else None

        return await until(reached)


class Callers:
    """Makes callers of a served API."""

    def __init__(self, url: str, database: Database, settings: Settings) -> None:
        self.url = url
        self.database = database
        self.settings = settings
        self.secret = load_secret(settings)
        self._clients: list[httpx2.AsyncClient] = []

    async def key(self, tenant: str, **options) -> str:
        async with self.database.transaction() as session:
            _, key = await KeyService(session, self.secret).create(tenant, **options)
        return key

    async def new(self, tenant: str | None = None, **options) -> Caller:
        """Return a caller of a tenant of its own, with all scopes unless told otherwise."""
        tenant = tenant or f"tenant-{uuid.uuid4().hex[:8]}"
        key = await self.key(tenant, **options)
        client = self.client({"X-API-Key": key})
        return Caller(client, tenant, key)

    def client(self, headers: dict[str, str] | None = None) -> httpx2.AsyncClient:
        # Without TLS: to read all certificates would be most of what many a test does.
        made = httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=60, verify=False)
        self._clients.append(made)
        return made

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, temporal_port: int, task_queue: str) -> Settings:
    """An installation's settings, once with each kind of database."""
    return Settings(
        home=tmp_path,
        database_url=database_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        tool_modules=["system_tools"],
        http_allow_private=True,
    )


@pytest.fixture
async def author(cairn: Cairn) -> AsyncIterator[Caller]:
    """A caller of an installation of the test's own."""
    async with served(cairn.settings) as url:
        made = Callers(url, cairn.database, cairn.settings)
        yield await made.new("acme")
        await made.close()
