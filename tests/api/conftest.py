"""The API over a real database of each kind, a real Temporal server and a worker in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from installation import Cairn, cairn, idle_cairn, world  # noqa: F401
from served import Caller, Callers, served

from cairn.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, database_url: str, temporal_port: int, task_queue: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=database_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        tool_modules=["system_tools"],
        http_allow_private=True,
    )


@pytest.fixture
async def callers(cairn: Cairn) -> AsyncIterator[Callers]:  # noqa: F811
    """Callers of an API with a worker behind it."""
    async with served(cairn.settings) as url:
        made = Callers(url, cairn.database, cairn.settings)
        yield made
        await made.close()


@pytest.fixture
async def caller(callers: Callers) -> Caller:
    return await callers.new()
