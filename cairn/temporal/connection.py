"""The connection to Temporal: one client a process, made lazily, configured by Temporal's own environment variables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client, Interceptor, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
)
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from cairn.errors import Unavailable
from cairn.settings import Settings
from cairn.temporal.blobs import blob_storage
from cairn.temporal.encryption import EncryptionCodec, PayloadKeys

T = TypeVar("T")

RPC_TIMEOUT = timedelta(seconds=3)
"""How long one call may take: callers hear within five seconds that Temporal is away."""

PATIENCE = RPC_TIMEOUT + timedelta(seconds=0.5)
"""How long all tries of one call may take together."""

RETRY_AFTER = 5.0

TEMPORAL_UNAVAILABLE = "temporal_unavailable"
"""Code of the errors that say that Temporal does not answer."""

_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    # What the transport says when a server dies in the middle of an answer.
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.INTERNAL,
)


_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class PayloadConverter(CompositePayloadConverter):
    """The SDK's converter of pydantic models, with one cache of types for the process.

    The SDK makes a converter for every workflow, activity and attribute, and with its own each begins without any.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


def data_converter(settings: Settings) -> DataConverter:
    """Return the converter of all payloads: pydantic models as JSON, encrypted if so set, large ones by reference.

    The SDK encrypts before it stores, so that the storage of large payloads holds ciphertext, too.

    Raises:
        ValueError: no storage is known for the URL of the blobs.
        InvalidInput: the list of keys is wrong.
    """
    keys = PayloadKeys.of(settings)
    return DataConverter(
        payload_converter_class=PayloadConverter,
        payload_codec=EncryptionCodec(keys),
        # Messages and stack traces of failures are payloads only when they are told to be.
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes if keys.first else DefaultFailureConverter,
        external_storage=blob_storage(settings.blobs, settings.blob_threshold),
    )


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
    if isinstance(error, RPCError):
        not_ready = _says(error, "NamespaceNotFoundFailure") or _lacks_attributes(error)
        return error.status in _AWAY or not_ready or _is_busy(error)
    if isinstance(error, WorkflowUpdateRPCTimeoutOrCancelledError):  # what became of a command is not said in time
        return True
    # What the SDK raises when its lazy connection, made by the first call, comes not about.
    return isinstance(error, RuntimeError) and str(error).startswith("Failed client connect")


def is_unknown(error: RPCError) -> bool:
    """Whether Temporal does not know what was asked for, or knows it no more."""
    # One that does not know its own namespace, as for a moment after its start, says nothing of what is in it.
    return error.status == RPCStatusCode.NOT_FOUND and not _says(error, "NamespaceNotFoundFailure")


class UnlessUnknown(AbstractContextManager[None]):
    """Leaves its block, without an error, where Temporal does not know what the block asks for (``is_unknown``)."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Tell whether the error is of that kind."""
        return isinstance(error, RPCError) and is_unknown(error)


def _lacks_attributes(error: RPCError) -> bool:
    """Whether the namespace lacks search attributes, which a worker registers at its start."""
    return error.status == RPCStatusCode.INVALID_ARGUMENT and "mapping defined for search attribute" in error.message


def _is_busy(error: RPCError) -> bool:
    """Whether Temporal takes no more just now, of one execution or of all; a message that is too large is not that."""
    return error.status == RPCStatusCode.RESOURCE_EXHAUSTED and _says(error, "ResourceExhaustedFailure")


def _says(error: RPCError, failure: str) -> bool:
    return any(failure in detail.type_url for detail in error.grpc_status.details)


def unavailable(error: BaseException) -> Unavailable:
    """Return what callers see when Temporal does not answer."""
    made = Unavailable("Temporal does not answer", code=TEMPORAL_UNAVAILABLE, retry_after=RETRY_AFTER)
    made.__cause__ = error
    return made


async def answered(call: Awaitable[T], within: timedelta | None = PATIENCE) -> T:
    """Await a call to Temporal.

    Args:
        call: with a timeout of its own, which bounds each of the tries that the SDK makes when the connection is
            refused, not all of them together.
        within: how long all of them may take; None: as long as the SDK goes on.

    Raises:
        Unavailable: Temporal does not answer.
    """
    try:
        async with asyncio.timeout(within.total_seconds() if within else None):
            return await call
    except TimeoutError as error:
        raise unavailable(error) from error
    except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError, RuntimeError) as error:
        if is_away(error):
            raise unavailable(error) from error
        raise


async def answered_all(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield what calls to Temporal bring.

    Raises:
        Unavailable: Temporal does not answer.
    """
    while True:
        try:
            yield await answered(anext(items))
        except StopAsyncIteration:
            return
