"""The API is killed (-9) in the middle of an upload: nothing of the file is there, and the next one is whole."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import obstore
import pytest
from installation import until

from cairn.domain.keys import KeyService, load_secret
from cairn.domain.uploads import LIFETIME, sweep
from cairn.object_store import open_store
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import UploadRow
from cairn.ports import find_free
from cairn.settings import Settings

SERVE = "import uvicorn; from api.app import create_app; from cairn.settings import Settings; s = Settings(); "
SERVE += "uvicorn.run(create_app(s), host='127.0.0.1', port=s.api_port, log_config=None)"


@asynccontextmanager
async def process(settings: Settings):
    """The API in a process of its own, without Temporal."""
    environment = {
        "CAIRN_HOME": str(settings.home),
        "CAIRN_DATABASE_URL": settings.database,
        "CAIRN_API_PORT": str(settings.api_port),
        "CAIRN_TEMPORAL_PORT": str(settings.temporal_port),
    }
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, env={**os.environ, **environment})
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.timeout(600)
async def test_a_killed_upload_leaves_no_half_of_a_file(tmp_path: Path, sqlite_url: str) -> None:
    settings = Settings(home=tmp_path, database_url=sqlite_url, api_port=find_free(), temporal_port=find_free())
    database = Database(create_engine(settings.database))
    async with database.transaction() as session:
        _, key = await KeyService(session, load_secret(settings)).create("acme")
    base = f"http://127.0.0.1:{settings.api_port}"

    async def link(http: httpx2.AsyncClient) -> dict[str, str]:
        sound = {"filename": "a.mp3", "content_type": "audio/mpeg"}
        reply = await http.post("/api/v1/workflow/ambient-noise/upload-url", json=sound)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def up(http: httpx2.AsyncClient) -> bool:
        try:
            return (await http.get("/health")).status_code == 200
        except httpx2.TransportError:
            return False

    def files() -> list[Path]:
        return [path for path in (tmp_path / "files").rglob("*") if path.is_file()]

    async with httpx2.AsyncClient(base_url=base, headers={"X-API-Key": key}) as http:
        async with process(settings) as api:
            await until(lambda: up(http), deadline=250)
            made = await link(http)
            url = urlsplit(made["upload_url"])
            head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Type: audio/mpeg\r\n"
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            # More than the part of a multipart upload, so that some of it is on the disk, and yet not all.
            writer.write(f"{head}Content-Length: 9000000\r\n\r\n".encode() + b"\0" * 7_000_000)
            await writer.drain()
            await until(lambda: sum(path.stat().st_size for path in files()) > 0)
            api.send_signal(signal.SIGKILL)
            await api.wait()
            writer.close()
        assert obstore.list(open_store(settings.storage)).collect() == []
        async with process(settings):
            await until(lambda: up(http), deadline=250)
            assert (await http.get(f"/api/v1/workflow/{made['file_key']}")).status_code == 404
            mp3 = {"Content-Type": "audio/mpeg"}
            assert (await http.put(made["upload_url"], content=b"x", headers=mp3)).status_code == 409
            again = await link(http)
            assert (await http.put(again["upload_url"], content=b"whole", headers=mp3)).status_code == 200
            assert (await http.get(f"/api/v1/workflow/{again['file_key']}")).content == b"whole"
    store = open_store(settings.storage)
    assert await sweep(database, store) == 0  # others may still be sending
    async with database.transaction() as session:
        row = await session.get_one(UploadRow, made["file_key"])
        assert row.status == "receiving"
        row.expires_at -= 2 * LIFETIME
    assert await sweep(database, store) == 1
    assert [str(path.relative_to(tmp_path / "files")) for path in files()] == [again["file_key"]]
    async with database.session() as session:
        assert await session.get(UploadRow, made["file_key"]) is None
    await database.dispose()
