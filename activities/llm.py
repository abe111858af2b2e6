"""The activity that runs an agent: a language model in a loop over tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import jsonschema_rs
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from pydantic_ai import Agent, ModelRetry, StructuredDict, Tool, ToolFailed
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage, UsageLimits
from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from activities.llm_errors import agent_error
from activities.tools import tool_context, tool_error
from cairn.contracts.executions import Usage
from cairn.contracts.json import Json, JsonObject, digest
from cairn.contracts.nodes import RUN_AGENT, NodeCall, NodeResult
from cairn.domain.tools import InvalidArguments, ToolError, ToolRegistry
from cairn.domain.tools import Tool as CairnTool
from cairn.providers.llm import LanguageModel, LanguageModels, ModelConfigError

_MAX_TURNS = 10
_TIMEOUT = 300.0
_CORRECTIONS = 2
"""How often in one run a model may correct an answer, or the arguments of one tool."""


class AgentActivities:
    """Runs agents with the models and tools of an installation."""

    def __init__(self, models: LanguageModels, tools: ToolRegistry) -> None:
        self._models = models
        self._tools = tools

    @activity.defn(name=RUN_AGENT.name)
    async def run_agent(self, call: NodeCall) -> NodeResult:
        """Run an agent to its answer: a text, or a value that satisfies ``output_schema``.

        Raises:
            ApplicationError: with the codes of :mod:`activities.llm_errors`; not retryable before the first request:
                ``model_config``, ``unknown_tool``, ``invalid_agent``, ``price_unknown``.
        """
        guard(call)
        async with heartbeating():
            try:
                model = await self._models.resolve(call.data.get("model"))
            except ModelConfigError as error:
                raise node_error("model_config", str(error), retryable=False) from error
            return await self._run(call, model)

    async def _run(self, call: NodeCall, model: LanguageModel) -> NodeResult:
        usage, output, limits = RunUsage(), _Output(call.data.get("output_schema")), _limits(call.data, model)
        agent = self._agent(call, model, output)
        try:
            result = await agent.run(str(call.data["prompt"]), usage=usage, usage_limits=limits)
        except Exception as error:
            raise agent_error(error, _usage(usage, model), limits) from error
        return NodeResult(value=output.unwrap(result.output), usage=_usage(usage, model), model=model.name)

    def _agent(self, call: NodeCall, model: LanguageModel, output: _Output) -> Agent[None, Any]:
        tools = self._agent_tools(call)
        try:
            agent: Agent[None, Any] = Agent(
                model.model,
                output_type=output.type,
                instructions=call.data.get("system") or None,
                tools=tools,
                retries=_CORRECTIONS,
                model_settings=_settings(call, model),
            )
        except Exception as error:
            raise node_error("invalid_agent", f"The agent cannot be made: {error}", retryable=False) from error
        agent.output_validator(output.validate)
        return agent

    def _agent_tools(self, call: NodeCall) -> list[Tool[None]]:
        names = cast("list[str]", call.data.get("tools") or [])
        repeats: Counter[str] = Counter()
        try:
            found = [self._tools.get(name) for name in dict.fromkeys(names)]
        except ToolError as error:
            raise tool_error(error) from error
        return [
            Tool.from_schema(_tool_function(call, each, repeats), each.name, each.description, each.parameters)
            for each in found
        ]


def _tool_function(call: NodeCall, tool: CairnTool, repeats: Counter[str]) -> Callable[..., Any]:
    async def run(**arguments: Json) -> Json:
        # The same call in another try of the activity is the same effect, whatever the model did before it.
        key = f"/{tool.name}/{digest(arguments)[:16]}"
        repeats[key] += 1
        context = tool_context(call, idempotency_suffix=f"{key}/{repeats[key]}")
        try:
            return await tool.run(arguments, context)
        except InvalidArguments as error:
            raise ModelRetry(error.message) from error
        except ToolError as error:
            raise (ModelRetry if error.retryable else ToolFailed)(error.message) from error
        except Exception as error:
            raise ModelRetry(f"Tool {tool.name!r} failed with {type(error).__name__}: {error}") from error

    return run


class _Output:
    """The form of the answer; a schema that is no object travels in one, as models know only objects."""

    def __init__(self, schema: JsonObject | None) -> None:
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
        if self._validator is not None:
            errors = [
                f"{'/'.join(map(str, e.instance_path))}: {e.message}" for e in self._validator.iter_errors(answer)
            ]
            if errors:
                raise ModelRetry("The answer breaks the schema: " + "; ".join(errors[:20]))
        return answer

    def unwrap(self, answer: Any) -> Json:
        return answer["value"] if self._wrapped else answer


def _settings(call: NodeCall, model: LanguageModel) -> ModelSettings:
    settings = ModelSettings(**model.settings)
    if model.remote:
        settings["timeout"] = call.timeout or _TIMEOUT
    if (temperature := call.data.get("temperature")) is not None:
        settings["temperature"] = float(temperature)
    return settings


def _limits(data: JsonObject, model: LanguageModel) -> UsageLimits:
    limits = UsageLimits(request_limit=int(data.get("max_turns") or _MAX_TURNS))
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


def _usage(usage: RunUsage, model: LanguageModel) -> Usage:
    cost = 0.0 if model.free else None if usage.cost is None else float(usage.cost)
    return Usage(requests=usage.requests, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost=cost)
