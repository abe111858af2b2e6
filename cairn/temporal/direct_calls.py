"""The client side of direct calls of a model: start, wait for so long, say what went wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from cairn.contracts.direct_calls import DIRECT_CALL_WORKFLOW_TYPE, DirectAnswer, DirectRequest
from cairn.errors import BadGateway, CairnError, Conflict, Forbidden, InvalidInput, Unavailable
from cairn.settings import Settings
from cairn.temporal.connection import RETRY_AFTER, RPC_TIMEOUT, answered
from cairn.temporal.model_work import ModelWork, failure_code

_WORK = ModelWork(
    DIRECT_CALL_WORKFLOW_TYPE, "direct-call", DirectAnswer, timedelta(hours=1), "a direct call of a model"
)
_GRACE = 3.0
"""Seconds longer than the call may take: it ends by itself when a worker runs."""

_FAILURES: dict[str, tuple[type[CairnError], str]] = {
    "address_refused": (BadGateway, "The base URL of the provider leads to an address that may not be connected to."),
    "connection_error": (BadGateway, "The provider cannot be reached."),
    "content_filtered": (BadGateway, "The provider filters the messages or the answer out."),
    "context_too_long": (InvalidInput, "The messages are longer than the model takes."),
    "credential_damaged": (BadGateway, "The provider's key does not decrypt: save it anew."),
    "invalid_agent": (InvalidInput, "The schema or the tools cannot be used."),
    "invalid_reply": (BadGateway, "The provider's reply was cut off or is none."),
    "llm_config_not_found": (Conflict, "The provider's key was deleted meanwhile."),
    "llm_key_missing": (Conflict, "The mode is byok, and no key for the model's provider is kept."),
    "model_behavior": (BadGateway, "The model did not answer in the form that was asked for."),
    "model_config": (BadGateway, "The model cannot be used as this installation is set up."),
    "model_limit": (InvalidInput, "The model cannot do what is asked."),
    "model_not_allowed": (Forbidden, "The model is not allowed."),
    "model_not_found": (InvalidInput, "The provider has no such model."),
    "model_rejected": (BadGateway, "The provider refuses the request."),
    "model_unauthorized": (BadGateway, "The provider refuses the key."),
    "model_unavailable": (BadGateway, "The provider does not work at present."),
    "quota_exceeded": (BadGateway, "The quota at the provider is used up."),
    "rate_limited": (BadGateway, "The provider takes no more requests at present."),
    "timeout": (Unavailable, "The model did not answer in time."),
}
_MAY_PASS = frozenset(
    {"connection_error", "invalid_reply", "model_behavior", "model_unavailable", "rate_limited", "timeout"}
)


def may_pass(error: CairnError) -> bool:
    """Tell whether the same call may succeed later."""
    return error.code in _MAY_PASS or isinstance(error, Unavailable)


@dataclass(frozen=True, slots=True)
class StartedCall:
    """A call that is under way, or was.

    Attributes:
        id: as callers see it.
        handle: of its workflow.
        kept: its result can be asked for later, with the same idempotency key.
    """

    id: str
    handle: WorkflowHandle[Any, DirectAnswer]
    timeout: float
    kept: bool

    async def run_id(self) -> str:
        """Return the id of its run.

        Raises:
            Unavailable: Temporal does not answer.
        """
        described = await answered(self.handle.describe(rpc_timeout=RPC_TIMEOUT))
        return described.run_id or ""

    async def answer(self) -> DirectAnswer:
        """Wait for what the model answers.

        Raises:
            CairnError: the model cannot be used, failed or takes too long; ``code`` says how.
        """
        try:
            async with asyncio.timeout(self.timeout + _GRACE):
                return await self.handle.result()
        except TimeoutError:
            await self.stop()
            raise model_failure("timeout") from None
        except WorkflowFailureError as error:
            raise model_failure(failure_code(error, "llm_failed")) from error
        except RPCError as error:
            raise Unavailable("Temporal does not answer.", retry_after=RETRY_AFTER) from error

    async def stop(self) -> None:
        """Stop the model's work when nobody can ask for its result any more."""
        if not self.kept:
            await answered(self.handle.cancel(rpc_timeout=RPC_TIMEOUT))


class DirectCallClient:
    """Lets workers call models."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the process's client."""
        self._client = client
        self._settings = settings

    async def start(self, request: DirectRequest, key: str | None = None) -> StartedCall:
        """Start a call.

        Args:
            request: what is asked.
            key: names the wish over all tries of one request: a later try finds what an earlier one began.

        Raises:
            Unavailable: Temporal does not answer.
        """
        workflow_id = _WORK.id_of(request.tenant, key)
        handle = await _WORK.start(self._client, self._settings, request, request.tenant, workflow_id)
        return StartedCall(f"call_{workflow_id.partition('/')[2]}", handle, request.timeout, kept=key is not None)


def model_failure(code: str, otherwise: str | None = None) -> CairnError:
    """Return the error for why a model's work failed; ``otherwise`` says it of what is no model's failure."""
    # What a provider says may hold parts of keys, and is the operator's to read, in the Temporal Web UI.
    kind, message = _FAILURES.get(code, (BadGateway, otherwise or f"The model could not answer ({code})."))
    return kind(message, code=code, retry_after=RETRY_AFTER if kind is Unavailable else None)
