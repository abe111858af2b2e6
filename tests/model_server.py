"""A server that answers as OpenAI does, for the tests that ask for one."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from servers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncGenerator[OpenAIServer]:
    """Run the server; it says what a test has it say."""
    async with OpenAIServer.running() as made:
        yield made
