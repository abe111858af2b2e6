"""What Temporal's answers mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from cairn.errors import Unavailable
from cairn.settings import Settings
from cairn.temporal.connection import connect, is_away, is_unknown
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


async def test_an_execution_that_temporal_does_not_know_is_unknown(settings: Settings) -> None:
    client = await connect(settings)
    error = await _refusal(client)
    assert is_unknown(error) and not is_away(error)
    assert await ExecutionClient(client, settings).describe("nobody") is None
