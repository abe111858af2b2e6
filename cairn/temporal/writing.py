"""The client side of graphs that a model writes: start, wait for so long, say what went wrong."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from datetime import timedelta

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from cairn.contracts.writing import WRITING_WORKFLOW_TYPE, WritingRequest, WrittenGraph
from cairn.errors import BadGateway, CairnError, Unavailable
from cairn.settings import Settings
from cairn.temporal.connection import RETRY_AFTER, RPC_TIMEOUT, answered
from cairn.temporal.priority import priority_of

_LONGEST = timedelta(minutes=30)


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

    async def _start(self, request: WritingRequest, key: str | None) -> WorkflowHandle[object, WrittenGraph]:
        name = hashlib.sha256(f"{request.tenant}/{key}".encode()).hexdigest()[:32] if key else uuid.uuid4().hex
        workflow_id = f"write-graph/{name}"
        # Already started: by an earlier try of the same request, and its result is there.
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await answered(
                self._client.start_workflow(
                    WRITING_WORKFLOW_TYPE,
                    request,
                    id=workflow_id,
                    task_queue=self._settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    execution_timeout=_LONGEST,
                    static_summary="a model writes a graph",
                    priority=priority_of(request.tenant, {}, self._settings),
                    rpc_timeout=RPC_TIMEOUT,
                )
            )
        return self._client.get_workflow_handle(workflow_id, result_type=WrittenGraph)

    async def _overrun(self, handle: WorkflowHandle[object, WrittenGraph], key: str | None) -> CairnError:
        """Without a key nobody could ask for the result later, so that the model's work is stopped."""
        seconds = f"{self._settings.writing_timeout:g}"
        if key is None:
            await answered(handle.cancel(rpc_timeout=RPC_TIMEOUT))
            how = "Send the request again with an Idempotency-Key: a second try then waits for what the first began."
        else:
            how = "It goes on: send the same request with the same Idempotency-Key."
        return Unavailable(f"No graph was written within {seconds} s. {how}", code="writing_timeout", retry_after=5)


def _failure(error: WorkflowFailureError) -> CairnError:
    cause: BaseException | None = error.cause
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    code = cause.type if isinstance(cause, ApplicationError) and cause.type else "writing_failed"
    # What a provider says may hold parts of keys, and is the operator's to read, in the Temporal Web UI.
    return BadGateway(f"The model could not write the graph ({code}).", code=code)
