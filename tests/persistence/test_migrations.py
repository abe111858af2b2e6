"""Migrations on both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from cairn.persistence import migrate
from cairn.persistence.session import Database, create_engine


def test_the_migrations_make_the_tables(database_url: str) -> None:
    migrate.check(database_url)


def test_an_upgrade_of_the_newest_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    migrate.check(database_url)


async def test_a_fresh_folder_is_made_and_the_log_is_written_ahead(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/new/folder/cairn.db"
    await migrate.upgrade_async(url)
    database = Database(create_engine(url))
    async with database.session() as session:
        assert (await session.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
        assert (await session.execute(text("PRAGMA foreign_keys"))).scalar_one() == 1
    await database.dispose()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_four_processes_upgrade_at_once(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if backend == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/fresh.db"
    else:
        server: URL = request.getfixturevalue("postgresql_server")
        from database import execute

        execute(server, "DROP DATABASE IF EXISTS fresh", "CREATE DATABASE fresh")
        url = server.set(database="fresh").render_as_string(hide_password=False)
    code = "import sys; from cairn.persistence import migrate; migrate.upgrade(sys.argv[1])"
    commands = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(4)]
    assert [process.wait(100) for process in commands] == [0, 0, 0, 0]
    migrate.check(url)
