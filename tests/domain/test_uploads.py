"""What becomes of an upload when the database is busy, and when nobody ends it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore
from sqlalchemy import text

from cairn.domain.uploads import LIFETIME, Announced, Incoming, UploadService, receive, sweep
from cairn.errors import Gone, NotFound, Unavailable
from cairn.object_store import open_store
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import UploadRow

SECRET = b"secret"
SCOPE = Scope("acme", True)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = open_store((tmp_path / "files").as_uri())
    assert isinstance(made, LocalStore)
    return made


@pytest.fixture
async def hasty(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database whose writers soon give up waiting for each other."""
    monkeypatch.setattr("cairn.persistence.session.BUSY_TIMEOUT", 0.05)
    database = Database(create_engine(sqlite_url))
    yield database
    await database.dispose()


async def announce(database: Database) -> Announced:
    async with database.transaction() as session:
        return await UploadService(session, SCOPE, SECRET).announce("ambient-noise", "a.mp3", "audio/mpeg")


async def send(database: Database, store: LocalStore, made: Announced, chunks: AsyncIterator[bytes]) -> None:
    expires = int(made.expires_at.timestamp())
    await receive(database, store, SECRET, Incoming(made.file_key, expires, made.signature, None, None, chunks))


async def status_of(database: Database, made: Announced) -> str | None:
    async with database.session() as session:
        row = await session.get(UploadRow, made.file_key)
    return row.status if row is not None else None


async def age(database: Database, by: timedelta) -> None:
    async with database.transaction() as session:
        for (key,) in (await session.execute(text("SELECT file_key FROM uploads"))).all():
            (await session.get_one(UploadRow, key)).expires_at -= by


class Busy:
    """Somebody who writes for a while, and has everybody else wait."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ended = asyncio.Event()
        self.begun = asyncio.Event()

    async def write(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(text("DELETE FROM folders"))
            self.begun.set()
            await self.ended.wait()


async def test_a_database_that_is_busy_for_a_moment_costs_no_upload(hasty: Database, store: LocalStore) -> None:
    made, busy = await announce(hasty), Busy(hasty)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"sound"
        writing.append(asyncio.create_task(busy.write()))
        await busy.begun.wait()
        asyncio.get_running_loop().call_later(0.1, busy.ended.set)

    writing: list[asyncio.Task[None]] = []
    await send(hasty, store, made, chunks())
    await writing[0]
    assert await status_of(hasty, made) == "stored"


async def test_an_upload_that_could_not_be_written_down_is_swept(
    hasty: Database, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[receive.__module__], "_AGAIN", (0.01,))
    made, kept, busy = await announce(hasty), await announce(hasty), Busy(hasty)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"sound"
        writing.append(asyncio.create_task(busy.write()))
        await busy.begun.wait()

    async def whole() -> AsyncIterator[bytes]:
        yield b"whole"

    writing: list[asyncio.Task[None]] = []
    await send(hasty, store, kept, whole())
    with pytest.raises(Unavailable):
        await send(hasty, store, made, chunks())
    busy.ended.set()
    await writing[0]
    assert await status_of(hasty, made) == "receiving"
    assert await sweep(hasty, store) == 0
    await age(hasty, 2 * LIFETIME + timedelta(seconds=1))
    assert await sweep(hasty, store) == 1
    assert (await status_of(hasty, made), await status_of(hasty, kept)) == (None, "stored")
    assert [each["path"] for each in obstore.list(store).collect()] == [kept.file_key]


async def test_who_sends_for_longer_than_the_link_is_known_is_told(database: Database, store: LocalStore) -> None:
    made = await announce(database)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"sound"
        await age(database, 2 * LIFETIME + timedelta(seconds=1))
        assert await sweep(database, store) == 1

    with pytest.raises(Gone):
        await send(database, store, made, chunks())
    assert obstore.list(store).collect() == []
    async with database.session() as session:
        with pytest.raises(NotFound):
            await UploadService(session, SCOPE, SECRET).get(made.file_key)
