"""One installation for a whole session, with each kind of database: for tests whose callers have tenants of their own.

What a test leaves behind (executions that run or wait) stays in its tenant, and may still write into the ledger.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator

import pytest
from database import execute
from installation import Cairn
from served import Caller, Callers, served
from system_tools import let_go

from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings
from cairn.temporal.connection import connect
from cairn.temporal.server import DevServer


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def lasting_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh database; it goes with its folder or its server."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("lasting") / "cairn.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), file)
        return f"sqlite+aiosqlite:///{file}"
    server, name = request.getfixturevalue("postgresql_server"), f"lasting_{uuid.uuid4().hex}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE template")
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def lasting(
    lasting_url: str, temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cairn]:
    """The installation, with a worker in this process."""
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=lasting_url,
        temporal_port=int(temporal_server.address.rpartition(":")[2]),
        task_queue=f"lasting-{uuid.uuid4().hex}",
        tool_modules=["system_tools"],
        http_allow_private=True,
    )
    database = Database(create_engine(settings.database))
    made = Cairn(settings, database, await connect(settings, lazy=False))
    async with made.worker():
        yield made
        let_go()
    await database.dispose()


@pytest.fixture(scope="session")
async def callers(lasting: Cairn) -> AsyncIterator[Callers]:
    """Callers of its API."""
    async with served(lasting.settings) as url:
        made = Callers(url, lasting.database, lasting.settings)
        yield made
        await made.close()


@pytest.fixture
async def caller(callers: Callers) -> Caller:
    """A caller of a tenant of its own."""
    return await callers.new()
