"""The activity that makes one turn of an agent with tools: a model answers, or asks for tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic_ai import Agent, CallDeferred, DeferredToolRequests, DeferredToolResults, ModelRetry, Tool, ToolFailed
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelRequest, TextPart, ToolReturnPart
from pydantic_ai.run import AgentRunResult
from pydantic_ai.usage import RunUsage, UsageLimits
from temporalio import activity

from activities.failures import node_error
from activities.guard import HEARTBEAT_INTERVAL, PROMPT, guard, heartbeating
from activities.llm_agent import CORRECTIONS, Output, find_model, find_tools, make_agent, shown, usage_limits, used
from activities.llm_conversation import ConversationTurns, asks_tenants_model
from activities.llm_errors import agent_error, cause_of
from activities.llm_questions import questions_of
from activities.llm_subagents import subagents_of
from activities.llm_tokens import telling
from activities.patience import patiently
from activities.tools import tool_error
from cairn.contracts.executions import Usage
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import CALL_MODEL, NodeCall, NodeResult
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.model_history import ModelHistory
from cairn.domain.tools import InvalidArguments, ToolError, ToolRegistry
from cairn.domain.tools import Tool as CairnTool
from cairn.domain.tools.authored import Toolbox
from cairn.domain.usage import Ledger
from cairn.errors import CairnError
from cairn.providers.llm import LanguageModel, LanguageModels
from cairn.temporal.blobs import BlobDamaged, BlobError, BlobMissing
from cairn.temporal.encryption import PayloadDamaged


class TurnActivities:
    """Makes turns of agents with the models of an installation; the workflow has their tools run."""

    def __init__(
        self,
        models: LanguageModels,
        tools: ToolRegistry,
        history: ModelHistory,
        tokens: TokenWriter | None = None,
        ledger: Ledger | None = None,
        turns: ConversationTurns | None = None,
        toolbox: Toolbox | None = None,
    ) -> None:
        """Take what they work with.

        Replies are streamed with ``tokens`` alone, requests accounted for by ``ledger``, turns of conversations taken
        with ``turns``, authors' tools in ``toolbox``.
        """
        self._turns = turns
        self._toolbox = toolbox
        self._ledger = ledger
        self._models = models
        self._tokens = tokens
        self._tools = tools
        self._history = history

    @activity.defn(name=CALL_MODEL.name)
    async def call_model(self, call: NodeCall) -> NodeResult:
        """Tell a model what its tools returned, or the prompt at first, and return what it asks for or answers.

        An answer that breaks ``output_schema``, an unknown tool and arguments that break a tool's schema go back to
        the model within the turn, so that the result holds only calls that can be made.

        Raises:
            ApplicationError: with the codes of :mod:`activities.llm_errors`; not retryable before the first request:
                ``model_config``, ``unknown_tool``, ``invalid_agent``, ``price_unknown``; ``history_unavailable``
                (retryable unless a turn is gone or damaged).
        """
        guard(call)
        turns = self._turns if asks_tenants_model(call) else None
        async with heartbeating(PROMPT if turns is not None else HEARTBEAT_INTERVAL):
            if turns is None:
                return await self._turn(call, await find_model(self._models, call, self._ledger))
            async with turns.model(call) as model:
                return await self._turn(call, model, turns)

    async def _turn(self, call: NodeCall, model: LanguageModel, turns: ConversationTurns | None = None) -> NodeResult:
        output = Output(call.data.get("output_schema"))
        known = await self._known_tools(call)
        tools = [deferring(each) for each in [*known, *questions_of(call), *subagents_of(call)]]
        agent = make_agent(call, model, output, tools, defers=True)
        earlier = await turns.earlier(call) if turns is not None else []
        messages = await self._read(call.data.get("history"))
        said = self._said(call, earlier, messages)
        if turns is not None and messages:
            # What tools have brought can be read while the model writes.
            await turns.keep(call, [*messages, _returned(call)])
        result, usage = await take_turn(agent, call, model, said, self._tokens)
        value = await self._told(call, result, output)
        if turns is not None:
            said_since = [*messages, *result.new_messages()]
            await turns.keep(call, said_since, value.get("answer"), finished="answer" in value)
        return NodeResult(value=value, usage=usage, model=model.name)

    async def _known_tools(self, call: NodeCall) -> list[CairnTool]:
        toolbox = self._toolbox
        if toolbox is None:
            return find_tools(self._tools, call)
        try:
            named: list[str] = call.data.get("tools") or []
            return await patiently(lambda: toolbox.named(call.tenant, call.live, named))
        except ToolError as error:
            raise tool_error(error) from error

    async def _read(self, history: str | None) -> list[ModelMessage]:
        try:
            return await self._history.read(history)
        except (BlobError, CairnError) as error:
            raise no_history(error) from error

    def _said(
        self, call: NodeCall, earlier: Sequence[ModelMessage], messages: Sequence[ModelMessage]
    ) -> dict[str, Any]:
        """Return what the agent's run begins with."""
        if call.data.get("history") is None:
            return {"prompt": str(call.data["prompt"]), "message_history": earlier}
        results = cast("list[JsonObject]", call.data.get("results") or [])
        answers = {each["id"]: ToolFailed(str(each["error"])) if "error" in each else each["value"] for each in results}
        return {
            "prompt": None,
            "message_history": [*earlier, *messages],
            "deferred_tool_results": DeferredToolResults(calls=answers),
        }

    async def _told(self, call: NodeCall, result: AgentRunResult[Any], output: Output) -> JsonObject:
        try:
            history = await self._history.append(call.temporal_id, call.data.get("history"), result.new_messages())
        except (BlobError, CairnError) as error:
            raise no_history(error) from error
        if not isinstance(result.output, DeferredToolRequests):
            return {"history": history, "answer": output.unwrap(result.output)}
        asked = [
            {"id": each.tool_call_id, "tool": each.tool_name, "arguments": each.args_as_dict()}
            for each in result.output.calls
        ]
        said = "".join(part.content for part in result.response.parts if isinstance(part, TextPart))
        return {"history": history, "calls": asked, **({"text": said} if said else {})}


def _returned(call: NodeCall) -> ModelRequest:
    """Return what the tools have brought that the last turn asked for."""
    results = cast("list[JsonObject]", call.data.get("results") or [])
    parts = [
        ToolReturnPart(each["tool"], each["error"], each["id"], outcome="failed")
        if "error" in each
        else ToolReturnPart(each["tool"], each["value"], each["id"])
        for each in results
    ]
    return ModelRequest(parts=parts)


def deferring(tool: CairnTool) -> Tool[None]:
    """Return the tool as the model sees it: a call of it is checked and then left to the workflow."""

    async def ask(**arguments: Json) -> Json:
        try:
            tool.check(arguments)
        except InvalidArguments as error:
            raise ModelRetry(error.message) from error
        raise CallDeferred

    return shown(tool, ask)


async def take_turn(
    agent: Agent[None, Any],
    call: NodeCall,
    model: LanguageModel,
    said: dict[str, Any],
    tokens: TokenWriter | None,
) -> tuple[AgentRunResult[Any], Usage]:
    """Have a model make its turn, and tell what it writes meanwhile.

    Args:
        agent: the model with its tools, which are left to the workflow.
        call: of the node.
        model: whose usage is counted.
        said: arguments of ``Agent.run`` that it begins with.
        tokens: None: the reply is taken whole.

    Raises:
        ApplicationError: with the codes of :mod:`activities.llm_errors`.
    """
    usage, limits = RunUsage(), usage_limits(call.data, model, CORRECTIONS + 1)
    try:
        async with telling(tokens, call) as handler:
            result = await agent.run(
                said.pop("prompt"), **said, usage=usage, usage_limits=limits, event_stream_handler=handler
            )
    except Exception as error:
        raise _turn_error(error, used(usage, model), limits, model.secret) from cause_of(error, model.secret)
    return result, used(usage, model)


def _turn_error(error: Exception, usage: Usage, limits: UsageLimits, secret: str) -> Exception:
    """Return the error to raise; the requests of one turn are all corrections, so too many are the model's failure."""
    failure = agent_error(error, usage, limits, secret)
    if isinstance(error, UsageLimitExceeded) and getattr(failure, "type", None) == "max_turns":
        message = f"The model did not get its turn right after {CORRECTIONS} corrections"
        return node_error("model_behavior", message, retryable=True, usage=usage)
    return failure


def no_history(error: BlobError | CairnError) -> Exception:
    """Return the error to raise when what was said before cannot be read or kept."""
    gone = isinstance(error, (BlobMissing, BlobDamaged, PayloadDamaged))
    return node_error("history_unavailable", str(error), retryable=not gone)
