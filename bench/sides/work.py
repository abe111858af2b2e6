"""What a step does, the same for every side."""

from __future__ import annotations

import asyncio
import base64
import os
import random
from collections import Counter
from functools import cache
from typing import Any

MODEL_URL = "BENCH_MODEL_URL"
THINKING = 0.5
"""Seconds that a model takes."""

LARGEST = 1_000_000
PROMPT = "Go on."


@cache
def _noise() -> str:
    """Return text that does not compress, so that bytes stored are bytes."""
    return base64.b64encode(os.urandom(LARGEST * 3)).decode()


def produce(size: int) -> str:
    """Return a text of a size, another one each time."""
    start = random.randrange(len(_noise()) - size)
    return _noise()[start : start + size]


@cache
def _agent() -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=os.environ[MODEL_URL], api_key="none")
    return Agent(OpenAIChatModel("bench", provider=provider))


_done: Counter[str] = Counter()


def done() -> int:
    """Return how many steps this process has done."""
    return _done.total()


async def do(work: str, size: int) -> str:
    """Do the work of one step."""
    _done[work] += 1
    if work == "ask":
        return str((await _agent().run(PROMPT)).output)
    if work == "think":
        await asyncio.sleep(THINKING)
    return produce(size)
