"""Every request to a model goes through the ledger: its cost is reserved before, and written down afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import Any, TypeVar

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from temporalio import activity

from activities.failures import node_error
from activities.patience import patiently
from cairn.contracts.nodes import OVER_BUDGET, NodeCall
from cairn.domain.usage import Asked, Ledger, Request, Reserved
from cairn.errors import CairnError, RateLimited
from cairn.persistence.repository import Scope
from cairn.persistence.sqlite import answered
from cairn.providers.llm import LanguageModel

LEASE = timedelta(minutes=15)
"""How long a reserve holds whose activity nobody tries again; longer than any request takes."""

_BYTES_A_TOKEN = 3
"""Of text; four are usual, and a reserve is rather too large."""
_LONGEST_REPLY = 4096
"""Tokens, where the call sets no limit."""

_Told = TypeVar("_Told")


def metered(ledger: Ledger | None, call: NodeCall, model: LanguageModel, user_id: str | None = None) -> LanguageModel:
    """Return the model as the call's activity is to ask it: each request is accounted for.

    Args:
        ledger: None: nothing is accounted.
        call: for which it is asked.
        model: to ask.
        user_id: for whom, when the call is of no execution.
    """
    return model if ledger is None else replace(model, model=MeteredModel(ledger, call, model, user_id))


class MeteredModel(WrapperModel):
    """A model whose requests are accounted for, by one activity."""

    def __init__(self, ledger: Ledger, call: NodeCall, model: LanguageModel, user_id: str | None) -> None:
        """Take what to account by, for whom, and the model."""
        super().__init__(model.model)
        self._ledger, self._call, self._asked, self._user_id = ledger, call, model, user_id
        self._number = 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask for a whole reply."""
        request, reserved = await self._reserve(messages, model_settings, model_request_parameters)
        response: ModelResponse | None = None
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
            return response
        finally:
            await self._account(request, reserved, response)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Ask for a reply piece by piece."""
        request, reserved = await self._reserve(messages, model_settings, model_request_parameters)
        stream: StreamedResponse | None = None
        try:
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
        finally:
            await self._account(request, reserved, None if stream is None else stream.get())

    async def _reserve(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> tuple[Request, Reserved | None]:
        request = self._next()
        if self._asked.free:
            return request, None
        lasts = max(LEASE, timedelta(seconds=self._call.timeout or 0) * 1.5)
        try:
            return request, await _written(
                lambda: self._ledger.reserve(
                    request, lambda: _estimate(self.wrapped, messages, settings, parameters), lasts
                )
            )
        except RateLimited as error:
            raise node_error(OVER_BUDGET, error.message, retryable=False, more=error.extra, benign=True) from error

    def _next(self) -> Request:
        info, call = activity.info(), self._call
        self._number += 1
        work = f"{call.temporal_id}/{info.workflow_run_id}/{info.activity_id}"
        return Request(
            work=work,
            # A segment's activity asks for several nodes, each with a model of its own.
            key=f"{work}/{info.attempt}/{call.node_id}/{call.visit}/{self._number}",
            temporal_id=call.temporal_id,
            execution_id=call.execution_id,
            scope=Scope(call.tenant, call.live),
            node_id=call.node_id,
            visit=call.visit,
            model=self._asked.name,
            user_id=self._user_id,
        )

    async def _account(self, request: Request, reserved: Reserved | None, response: ModelResponse | None) -> None:
        """Settle what was used, to the end also when the activity is cancelled; what used nothing is given back."""
        await answered(asyncio.ensure_future(self._told(request, reserved, response)))

    async def _told(self, request: Request, reserved: Reserved | None, response: ModelResponse | None) -> None:
        complete = response is not None and response.state == "complete"
        if response is None or not (complete or response.usage.has_values()):
            if reserved is not None and reserved.held:
                await _written(lambda: self._ledger.release(request))
            return
        cost = Decimal(0) if self._asked.free else cost_of(response)
        asked = Asked(response.usage.input_tokens, response.usage.output_tokens, cost)
        await _written(lambda: self._ledger.settle(request, asked, reserved))


async def _written(write: Callable[[], Awaitable[_Told]]) -> _Told:
    """Write into the ledger, again when the database does not answer: a model's reply is dearer than the wait.

    Raises:
        ApplicationError: ``ledger_unavailable``, retryable.
    """
    try:
        return await patiently(write)
    except RateLimited:
        raise
    except CairnError as error:
        raise node_error("ledger_unavailable", error.message, retryable=True) from error


def _estimate(
    model: Model, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
) -> Decimal:
    """Return what a request may cost: 0 when no price of the model is known, for then no budget can be kept."""
    told = len(ModelMessagesTypeAdapter.dump_json(messages))
    for tool in (*parameters.function_tools, *parameters.output_tools):
        told += len(str(tool.parameters_json_schema)) + len(tool.description or "")
    usage = PricedUsage(
        input_tokens=ceil(told / _BYTES_A_TOKEN),
        output_tokens=(settings or {}).get("max_tokens") or _LONGEST_REPLY,
    )
    try:
        return calc_price(usage, model.model_name, provider_id=model.system).total_price
    except LookupError:
        return Decimal(0)


def cost_of(response: ModelResponse) -> Decimal | None:
    """Return what the request cost, as the agent's run will say it; None when no price is known."""
    if response.usage.cost is not None:
        return response.usage.cost
    if not response.model_name:
        return None
    try:
        return response.cost().total_price
    except (LookupError, ValueError):
        return None
