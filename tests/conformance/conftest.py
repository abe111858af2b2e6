"""The API over a database of each kind and a real Temporal server, once a session: each test has tenants of its own.

No test here runs a graph, so there is no worker.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from database import execute
from served import Callers, served

from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings
from cairn.temporal.server import DevServer


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def lasting_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh database of the whole session; it goes with its folder or its server."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("conformance") / "cairn.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), file)
        return f"sqlite+aiosqlite:///{file}"
    server, name = request.getfixturevalue("postgresql_server"), f"conformance_{uuid.uuid4().hex}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE template")
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def callers(
    lasting_url: str, temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callers]:
    home: Path = tmp_path_factory.mktemp("home")
    port = int(temporal_server.address.rpartition(":")[2])
    settings = Settings(
        home=home, database_url=lasting_url, temporal_port=port, task_queue=f"conformance-{uuid.uuid4()}"
    )
    database = Database(create_engine(settings.database))
    async with served(settings) as url:
        made = Callers(url, database, settings)
        yield made
        await made.close()
    await database.dispose()
