"""Temporal as commands call it that ask no API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cairn.errors import CairnError, Unavailable

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime

    from cairn.settings import Settings


@asynccontextmanager
async def open_temporal(settings: Settings, runtime: Runtime | None = None) -> AsyncGenerator[Client]:
    """Give a client of the configured Temporal.

    Raises:
        Unavailable: a call in the body found that Temporal does not answer; the message says where it was looked for.
    """
    from cairn.temporal.connection import TEMPORAL_UNAVAILABLE, connect

    client = await connect(settings, runtime=runtime)
    try:
        yield client
    except CairnError as error:
        if error.code != TEMPORAL_UNAVAILABLE:
            raise
        where = client.service_client.config.target_host
        todo = "Start it with `cairn serve`, or set TEMPORAL_ADDRESS to where it runs."
        raise Unavailable(f"Temporal at {where} does not answer. {todo}", code=TEMPORAL_UNAVAILABLE) from error
