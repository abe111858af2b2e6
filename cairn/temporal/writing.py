"""The client side of graphs that a model writes: start, wait for so long, say what went wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from cairn.contracts.writing import WRITING_WORKFLOW_TYPE, WritingRequest, WrittenGraph
from cairn.errors import BadGateway, CairnError, Unavailable
from cairn.settings import Settings
from cairn.temporal.connection import RETRY_AFTER, RPC_TIMEOUT, answered
from cairn.temporal.model_work import ModelWork, failure_code

_WORK = ModelWork(WRITING_WORKFLOW_TYPE, "write-graph", WrittenGraph, timedelta(minutes=30), "a model writes a graph")


class GraphWriter:
    """Lets workers write graphs."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the process's client."""
        self._client = client
        self._settings = settings

    async def write(self, request: WritingRequest, key: str | None = None) -> WrittenGraph:
        """Return the graph that a worker's model writes.

        Args:
            request: what it is to do.
            key: names the wish over all tries of one request: a later try waits for what an earlier one began.

        Raises:
            RateLimited: the monthly budget is used up (``budget_exceeded``).
            Unavailable: it is not written in ``writing_timeout`` seconds (``writing_timeout``), or Temporal is away.
            BadGateway: the model cannot be used or failed; ``code`` says how.
        """
        handle = await self._start(request, key)
        try:
            async with asyncio.timeout(self._settings.writing_timeout):
                return await handle.result()
        except TimeoutError:
            raise await self._overrun(handle, key) from None
        except WorkflowFailureError as error:
            raise _failure(error) from error
        except RPCError as error:
            raise Unavailable("Temporal does not answer.", retry_after=RETRY_AFTER) from error

    async def _start(self, request: WritingRequest, key: str | None) -> WorkflowHandle[Any, WrittenGraph]:
        workflow_id = _WORK.id_of(request.tenant, key)
        return await _WORK.start(self._client, self._settings, request, request.tenant, workflow_id)

    async def _overrun(self, handle: WorkflowHandle[Any, WrittenGraph], key: str | None) -> CairnError:
        """Without a key nobody could ask for the result later, so that the model's work is stopped."""
        seconds = f"{self._settings.writing_timeout:g}"
        if key is None:
            await answered(handle.cancel(rpc_timeout=RPC_TIMEOUT))
            how = "Send the request again with an Idempotency-Key: a second try then waits for what the first began."
        else:
            how = "It goes on: send the same request with the same Idempotency-Key."
        return Unavailable(f"No graph was written within {seconds} s. {how}", code="writing_timeout", retry_after=5)


def _failure(error: WorkflowFailureError) -> CairnError:
    code = failure_code(error, "writing_failed")
    # What a provider says may hold parts of keys, and is the operator's to read, in the Temporal Web UI.
    return BadGateway(f"The model could not write the graph ({code}).", code=code)
