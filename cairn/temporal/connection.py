"""The connection to Temporal: one client a process, made lazily, configured by Temporal's own environment variables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from cairn.errors import Unavailable
from cairn.settings import Settings
from cairn.temporal.blobs import blob_storage

RPC_TIMEOUT = timedelta(seconds=3)
"""How long one call may take: callers hear within five seconds that Temporal is away."""

RETRY_AFTER = 5.0

_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


def data_converter(settings: Settings) -> DataConverter:
    """Return the converter of all payloads: pydantic models as JSON, large ones by reference."""
    storage = blob_storage(settings.blobs, settings.blob_threshold)
    return dataclasses.replace(pydantic_data_converter, external_storage=storage)


async def connect(
    settings: Settings, *, interceptors: Sequence[Interceptor] = (), runtime: Runtime | None = None, lazy: bool = True
) -> Client:
    """Return a client of the configured server, else of the dev server at ``CAIRN_TEMPORAL_PORT``.

    Args:
        settings: of this process.
        interceptors: tracing and the like.
        runtime: with metrics, when they are served.
        lazy: connect at the first call. A worker needs a connection and sets it to False.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", f"127.0.0.1:{settings.temporal_port}")
    return await Client.connect(
        **config,
        data_converter=data_converter(settings),
        interceptors=list(interceptors),
        runtime=runtime,
        lazy=lazy,
    )


def is_away(error: BaseException) -> bool:
    """Whether the error says that Temporal does not answer."""
    return isinstance(error, RPCError) and error.status in _AWAY


def unavailable(error: BaseException) -> Unavailable:
    """Return what callers see when Temporal does not answer."""
    made = Unavailable("Temporal does not answer", code="temporal_unavailable", retry_after=RETRY_AFTER)
    made.__cause__ = error
    return made
