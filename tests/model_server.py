"""A server that answers as OpenAI does, for the tests that ask for one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from servers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncGenerator[OpenAIServer]:
    """Run the server; it says what a test has it say."""
    from servers.openai_server import OpenAIServer

    async with OpenAIServer.running() as made:
        yield made
