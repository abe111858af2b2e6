"""The activity that runs an agent: a language model in a loop over tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai import ModelRetry, Tool, ToolFailed
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage
from temporalio import activity

from activities.guard import HEARTBEAT_INTERVAL, PROMPT, guard, heartbeating
from activities.llm_agent import Output, find_model, find_tools, make_agent, settings_of, shown, usage_limits, used
from activities.llm_answer import Replied, answer_in, only_answers, request
from activities.llm_conversation import ConversationTurns, asks_tenants_model
from activities.llm_errors import agent_error, cause_of
from activities.llm_own import opened, own_model
from activities.llm_tokens import telling
from activities.metering import metered
from activities.tools import tool_context
from cairn.contracts.json import Json, digest
from cairn.contracts.nodes import RUN_AGENT, NodeCall, NodeResult
from cairn.domain.credentials import Sealer
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.tools import InvalidArguments, ToolError, ToolRegistry
from cairn.domain.tools import Tool as CairnTool
from cairn.domain.usage import Ledger
from cairn.providers.llm import LanguageModel, LanguageModels

_MAX_TURNS = 10


class AgentActivities:
    """Runs agents with the models and tools of an installation."""

    def __init__(
        self,
        models: LanguageModels,
        tools: ToolRegistry,
        tokens: TokenWriter | None = None,
        sealer: Sealer | None = None,
        ledger: Ledger | None = None,
        turns: ConversationTurns | None = None,
    ) -> None:
        """Take what they work with.

        Replies are streamed with ``tokens`` alone, keys decrypted with ``sealer``, requests accounted for by
        ``ledger``, turns of conversations taken with ``turns``.
        """
        self._turns = turns
        self._ledger = ledger
        self._models = models
        self._tokens = tokens
        self._tools = tools
        self._sealer = sealer

    @activity.defn(name=RUN_AGENT.name)
    async def run_agent(self, call: NodeCall) -> NodeResult:
        """Run an agent to its answer: a text, or a value that satisfies ``output_schema``.

        Raises:
            ApplicationError: with the codes of :mod:`activities.llm_errors`; not retryable before the first request:
                ``model_config``, ``unknown_tool``, ``invalid_agent``, ``price_unknown``, ``credential_damaged``.
        """
        guard(call)
        turns = self._turns if asks_tenants_model(call) else None
        async with heartbeating(PROMPT if turns is not None else HEARTBEAT_INTERVAL):
            if turns is not None:
                return await self._take_turn(call, turns)
            if call.data.get("own") is None:
                return await self._run(call, await find_model(self._models, call, self._ledger))
            own = own_model(call, self._sealer)
            async with opened(self._models, own) as model:
                return await self._run(call, metered(self._ledger, call, model))

    async def _take_turn(self, call: NodeCall, turns: ConversationTurns) -> NodeResult:
        async with turns.model(call) as model:
            return await self._run(call, model, await turns.earlier(call), turns)

    async def _run(
        self,
        call: NodeCall,
        model: LanguageModel,
        earlier: Sequence[ModelMessage] = (),
        turns: ConversationTurns | None = None,
    ) -> NodeResult:
        usage, output = RunUsage(), Output(call.data.get("output_schema"))
        limits = usage_limits(call.data, model, int(call.data.get("max_turns") or _MAX_TURNS))
        tools = self._agent_tools(call)
        try:
            async with telling(self._tokens, call) as handler:
                if turns is None and only_answers(call):
                    reply = await request(call, model.model, settings_of(call, model), usage, handler)
                    if (text := answer_in(reply, usage)) is not None:
                        limits.check_cost(usage)
                        return NodeResult(value=text, usage=used(usage, model), model=model.name)
                    model = replace(model, model=Replied(model.model, reply))
                result = await make_agent(call, model, output, tools).run(
                    str(call.data["prompt"]),
                    message_history=earlier,
                    usage=usage,
                    usage_limits=limits,
                    event_stream_handler=handler,
                )
        except Exception as error:
            secret = model.secret
            raise agent_error(error, used(usage, model), limits, secret) from cause_of(error, secret)
        answer = output.unwrap(result.output)
        if turns is not None:
            await turns.keep(call, result.new_messages(), answer, finished=True)
        return NodeResult(value=answer, usage=used(usage, model), model=model.name)

    def _agent_tools(self, call: NodeCall) -> list[Tool[None]]:
        repeats: Counter[str] = Counter()
        return [shown(each, _tool_function(call, each, repeats)) for each in find_tools(self._tools, call)]


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
