"""What Temporal's answers mean."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cairn.errors import Unavailable
from cairn.settings import Settings
from cairn.temporal.connection import answered, connect, is_away, is_unknown
from cairn.temporal.executions import ExecutionClient


@pytest.fixture
def settings(tmp_path: Path, temporal_port: int) -> Settings:
    return Settings(home=tmp_path, temporal_port=temporal_port)


async def _refusal(client: Client) -> RPCError:
    with pytest.raises(RPCError) as refused:
        await client.get_workflow_handle("nobody").describe()
    return refused.value


async def test_a_server_that_knows_its_namespace_not_yet_says_nothing_of_executions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "not-yet")
    client = await connect(settings)
    error = await _refusal(client)
    assert is_away(error) and not is_unknown(error)
    with pytest.raises(Unavailable):
        await ExecutionClient(client, settings).describe("nobody")


async def test_what_became_of_a_command_is_asked_again_when_temporal_does_not_say_in_time(settings: Settings) -> None:
    """The SDK has an error of its own for it, and takes the end of any wait for a cancellation."""
    client = await connect(settings)
    began = asyncio.Event()

    async def silent(*_: Any, **__: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    update = client.get_workflow_handle("exec").get_update_handle("key")
    client.workflow_service.poll_workflow_execution_update = silent  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await answered(update.result(), within=timedelta(milliseconds=50))
    assert began.is_set()


async def test_an_execution_that_temporal_does_not_know_is_unknown(settings: Settings) -> None:
    client = await connect(settings)
    error = await _refusal(client)
    assert is_unknown(error) and not is_away(error)
    assert await ExecutionClient(client, settings).describe("nobody") is None


async def test_a_server_that_is_busy_is_to_be_asked_again() -> None:
    """As it says of an execution that a pause, a reset and a worker want at once, and of a namespace at its limit."""
    busy = RPCError(
        "Workflow is busy.",
        RPCStatusCode.RESOURCE_EXHAUSTED,
        b"\x08\x08\x12\x11Workflow is busy.\x1aQ\nItype.googleapis.com/temporal.api.errordetails.v1."
        b"ResourceExhaustedFailure\x12\x04\x08\x05\x10\x01",
    )

    async def refuses(error: RPCError) -> None:
        raise error

    with pytest.raises(Unavailable) as refused:
        await answered(refuses(busy))
    assert refused.value.retry_after
    too_large = RPCError("received message larger than max", RPCStatusCode.RESOURCE_EXHAUSTED, b"")
    with pytest.raises(RPCError):  # it would be as large the next time
        await answered(refuses(too_large))
