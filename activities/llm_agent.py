"""What agents are made of: the model's settings and limits, its tools, the form of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, cast

import jsonschema_rs
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from pydantic_ai import Agent, DeferredToolRequests, ModelRetry, StructuredDict, Tool
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage, UsageLimits
from pydantic_core import SchemaValidator, core_schema

from activities.failures import node_error
from activities.metering import metered
from activities.tools import tool_error
from cairn.contracts.executions import Usage
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall
from cairn.domain.tools import Tool as CairnTool
from cairn.domain.tools import ToolError, ToolRegistry
from cairn.domain.usage import Ledger
from cairn.providers.llm import LanguageModel, LanguageModels, ModelConfigError

CORRECTIONS = 2
"""How often in one run a model may correct an answer, or the arguments of one tool."""

_TIMEOUT = 300.0


async def find_model(models: LanguageModels, call: NodeCall, ledger: Ledger | None = None) -> LanguageModel:
    """Return the call's model, whose requests the ledger accounts for.

    Raises:
        ApplicationError: ``model_config``.
    """
    try:
        return metered(ledger, call, await models.resolve(call.data.get("model")))
    except ModelConfigError as error:
        raise node_error("model_config", str(error), retryable=False) from error


def find_tools(registry: ToolRegistry, call: NodeCall) -> list[CairnTool]:
    """Return the tools that the call names, each once.

    Raises:
        ApplicationError: ``unknown_tool``.
    """
    names = cast("list[str]", call.data.get("tools") or [])
    try:
        return [registry.get(name) for name in dict.fromkeys(names)]
    except ToolError as error:
        raise tool_error(error) from error


_OBJECT = SchemaValidator(core_schema.dict_schema(core_schema.str_schema()))


def shown(tool: CairnTool, function: Callable[..., Any]) -> Tool[None]:
    """Return a tool as models see it, with the function that takes their calls.

    Args:
        tool: its name, description and schema.
        function: checks the arguments itself; what is no object at all never reaches it.
    """
    made: Tool[None] = Tool.from_schema(function, tool.name, tool.description, tool.parameters)
    made.function_schema.validator = _OBJECT
    return made


def make_agent(
    call: NodeCall, model: LanguageModel, output: Output, tools: Sequence[Tool[None]], *, defers: bool = False
) -> Agent[None, Any]:
    """Return an agent for the call.

    Args:
        call: prompt, system, settings.
        model: to ask.
        output: the form of its answer.
        tools: that it may call.
        defers: a call of a tool may end its run.

    Raises:
        ApplicationError: ``invalid_agent``.
    """
    try:
        agent: Agent[None, Any] = Agent(
            model.model,
            output_type=[output.type, DeferredToolRequests] if defers else output.type,
            instructions=call.data.get("system") or None,
            tools=tools,
            retries=CORRECTIONS,
            model_settings=settings_of(call, model),
        )
    except Exception as error:
        raise node_error("invalid_agent", f"The agent cannot be made: {error}", retryable=False) from error
    if output.type is not str:  # to run a validator costs as much as to make the agent
        agent.output_validator(output.validate)
    return agent


class Output:
    """The form of the answer; a schema that is no object travels in one, as models know only objects.

    Attributes:
        type: what pydantic-ai takes as an agent's output type.
    """

    def __init__(self, schema: JsonObject | None) -> None:
        """Take the schema; None for text.

        Raises:
            ApplicationError: ``invalid_agent``: it is no schema that can be used.
        """
        self._wrapped = schema is not None and schema.get("type") != "object"
        self.type: Any = str
        self._validator = None
        if schema is None:
            return
        if self._wrapped:
            definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
            inner = {key: value for key, value in schema.items() if key not in definitions}
            schema = {"type": "object", "properties": {"value": inner}, "required": ["value"], **definitions}
        try:
            self._validator = jsonschema_rs.validator_for(schema)
            self.type = StructuredDict(schema, name=str(schema.get("title") or "answer"))
        except Exception as error:
            raise node_error("invalid_agent", f"output_schema cannot be used: {error}", retryable=False) from error

    def validate(self, answer: Any) -> Any:
        """Let the model correct an answer that breaks the schema."""
        if self._validator is not None and not isinstance(answer, DeferredToolRequests):
            errors = [
                f"{'/'.join(map(str, e.instance_path))}: {e.message}" for e in self._validator.iter_errors(answer)
            ]
            if errors:
                raise ModelRetry("The answer breaks the schema: " + "; ".join(errors[:20]))
        return answer

    def unwrap(self, answer: Any) -> Json:
        """Return the answer as its author described it."""
        return answer["value"] if self._wrapped else answer


def settings_of(call: NodeCall, model: LanguageModel) -> ModelSettings:
    """Return the settings of the call's requests to a model."""
    settings = ModelSettings(**model.settings)
    if model.remote:
        settings["timeout"] = call.timeout or _TIMEOUT
    if (temperature := call.data.get("temperature")) is not None:
        settings["temperature"] = float(temperature)
    if (max_tokens := call.data.get("max_tokens")) is not None:
        settings["max_tokens"] = int(max_tokens)
    return settings


def usage_limits(data: JsonObject, model: LanguageModel, requests: int) -> UsageLimits:
    """Return the limits of a run: so many requests, and ``max_cost``.

    Raises:
        ApplicationError: ``price_unknown``: there is a budget, and it could not be kept.
    """
    limits = UsageLimits(request_limit=requests)
    max_cost = data.get("max_cost")
    if max_cost is not None and not model.free:
        _require_price(model)
        limits.cost_limit = Decimal(str(max_cost))
    return limits


def _require_price(model: LanguageModel) -> None:
    """Refuse a budget that could not be kept, before any money is spent."""
    try:
        calc_price(PricedUsage(input_tokens=1, output_tokens=1), model.model.model_name, provider_id=model.model.system)
    except LookupError as error:
        message = f"max_cost is set, but no price is known for model {model.name!r}"
        raise node_error("price_unknown", message, retryable=False) from error


def used(usage: RunUsage, model: LanguageModel) -> Usage:
    """Return the use of a model as results tell it."""
    cost = 0.0 if model.free else None if usage.cost is None else float(usage.cost)
    return Usage(requests=usage.requests, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost=cost)
