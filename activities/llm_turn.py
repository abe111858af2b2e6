"""The activity that makes one turn of an agent with tools: a model answers, or asks for tools."""

from __future__ import annotations

from typing import Any, cast

from pydantic_ai import Agent, CallDeferred, DeferredToolRequests, DeferredToolResults, ModelRetry, Tool, ToolFailed
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.run import AgentRunResult
from pydantic_ai.usage import RunUsage, UsageLimits
from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from activities.llm_agent import CORRECTIONS, Output, find_model, find_tools, make_agent, shown, usage_limits, used
from activities.llm_errors import agent_error
from activities.llm_tokens import telling
from cairn.contracts.executions import Usage
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import CALL_MODEL, NodeCall, NodeResult
from cairn.domain.conversations import Conversations
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.tools import InvalidArguments, ToolRegistry
from cairn.domain.tools import Tool as CairnTool
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
        conversations: Conversations,
        tokens: TokenWriter | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """Take what they work with; without ``tokens`` replies are not streamed, without ``ledger`` not accounted."""
        self._ledger = ledger
        self._models = models
        self._tokens = tokens
        self._tools = tools
        self._conversations = conversations

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
        async with heartbeating():
            return await self._turn(call, await find_model(self._models, call, self._ledger))

    async def _turn(self, call: NodeCall, model: LanguageModel) -> NodeResult:
        output = Output(call.data.get("output_schema"))
        tools = [deferring(each) for each in find_tools(self._tools, call)]
        agent = make_agent(call, model, output, tools, defers=True)
        said = await self._said(call)
        result, usage = await take_turn(agent, call, model, said, self._tokens)
        value = await self._told(call, result, output)
        return NodeResult(value=value, usage=usage, model=model.name)

    async def _said(self, call: NodeCall) -> dict[str, Any]:
        """Return what the agent's run begins with."""
        history = call.data.get("history")
        if history is None:
            return {"prompt": str(call.data["prompt"])}
        try:
            messages = await self._conversations.read(history)
        except (BlobError, CairnError) as error:
            raise no_history(error) from error
        results = cast("list[JsonObject]", call.data.get("results") or [])
        answers = {each["id"]: ToolFailed(str(each["error"])) if "error" in each else each["value"] for each in results}
        return {
            "prompt": None,
            "message_history": messages,
            "deferred_tool_results": DeferredToolResults(calls=answers),
        }

    async def _told(self, call: NodeCall, result: AgentRunResult[Any], output: Output) -> JsonObject:
        try:
            history = await self._conversations.append(
                call.temporal_id, call.data.get("history"), result.new_messages()
            )
        except (BlobError, CairnError) as error:
            raise no_history(error) from error
        if not isinstance(result.output, DeferredToolRequests):
            return {"history": history, "answer": output.unwrap(result.output)}
        asked = [
            {"id": each.tool_call_id, "tool": each.tool_name, "arguments": each.args_as_dict()}
            for each in result.output.calls
        ]
        return {"history": history, "calls": asked}


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
    agent: Agent[None, Any], call: NodeCall, model: LanguageModel, said: dict[str, Any], tokens: TokenWriter | None
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
        raise _turn_error(error, used(usage, model), limits) from error
    return result, used(usage, model)


def _turn_error(error: Exception, usage: Usage, limits: UsageLimits) -> Exception:
    """Return the error to raise; the requests of one turn are all corrections, so too many are the model's failure."""
    failure = agent_error(error, usage, limits)
    if isinstance(error, UsageLimitExceeded) and getattr(failure, "type", None) == "max_turns":
        message = f"The model did not get its turn right after {CORRECTIONS} corrections"
        return node_error("model_behavior", message, retryable=True, usage=usage)
    return failure


def no_history(error: BlobError | CairnError) -> Exception:
    """Return the error to raise when what was said before cannot be read or kept."""
    gone = isinstance(error, (BlobMissing, BlobDamaged, PayloadDamaged))
    return node_error("history_unavailable", str(error), retryable=not gone)
