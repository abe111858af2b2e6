"""The API over a database of each kind, a real Temporal server and a worker in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from installation import Cairn, cairn, idle_cairn, world  # noqa: F401
from served import Caller, Callers, served, settings  # noqa: F401


@pytest.fixture
async def callers(cairn: Cairn) -> AsyncIterator[Callers]:  # noqa: F811
    async with served(cairn.settings) as url:
        made = Callers(url, cairn.database, cairn.settings)
        yield made
        await made.close()


@pytest.fixture
async def caller(callers: Callers) -> Caller:
    return await callers.new()
