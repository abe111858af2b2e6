"""The activity that calls a model directly, for a tenant and with the key that the tenant has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic_ai import CallDeferred, DeferredToolRequests, Tool
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.run import AgentRunResult
from pydantic_ai.usage import RunUsage
from temporalio import activity

from activities.guard import heartbeating
from activities.llm_agent import CORRECTIONS, Output, make_agent, usage_limits, used
from activities.llm_conversation import open_model
from activities.llm_errors import agent_error, cause_of
from activities.llm_tokens import telling
from activities.metering import metered
from cairn.contracts.direct_calls import CALL_DIRECTLY, DIRECT_CALL_NODE, DirectAnswer, DirectRequest
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.llm.tenant_models import TenantModels
from cairn.domain.usage import Ledger
from cairn.persistence.repository import Scope
from cairn.providers.llm import LanguageModel


class DirectCallActivities:
    """Calls models for tenants."""

    def __init__(self, models: TenantModels, tokens: TokenWriter | None = None, ledger: Ledger | None = None) -> None:
        """Take the tenants' models; without ``tokens`` answers are taken whole, without ``ledger`` not accounted."""
        self._models = models
        self._ledger = ledger
        self._tokens = tokens

    @activity.defn(name=CALL_DIRECTLY.name)
    async def call_directly(self, request: DirectRequest) -> DirectAnswer:
        """Have the model answer, or ask for tools of the caller's.

        Raises:
            ApplicationError: with the codes of :mod:`activities.llm_errors`, ``model_config``, and those of
                ``cairn.domain.llm.policy.choose``.
        """
        scope = Scope(request.tenant, request.live)
        opening = open_model(self._models, scope, request.use_case, request.model)
        async with heartbeating(), opening as model:
            return await self._ask(request, model)

    async def _ask(self, request: DirectRequest, model: LanguageModel) -> DirectAnswer:
        call, usage, output = _call(request), RunUsage(), Output(request.output_schema)
        model = metered(self._ledger, call, model, request.user_id)
        limits = usage_limits(call.data, model, 1 + CORRECTIONS)
        agent = make_agent(call, model, output, [*map(_asked, request.tools)], defers=bool(request.tools))
        try:
            async with telling(self._tokens, call) as handler:
                result = await agent.run(
                    message_history=messages_of(request.messages),
                    usage=usage,
                    usage_limits=limits,
                    event_stream_handler=handler,
                )
        except Exception as error:
            secret = model.secret
            raise agent_error(error, used(usage, model), limits, secret) from cause_of(error, secret)
        return _answer(result, output, used(usage, model), model.name)


def _call(request: DirectRequest) -> NodeCall:
    info = activity.info()
    run_id = info.workflow_run_id or ""
    return NodeCall(
        execution_id=info.workflow_id or "",
        temporal_id=info.workflow_id or "",
        tenant=request.tenant,
        live=request.live,
        run_id=run_id,
        lineage=run_id,
        node_id=DIRECT_CALL_NODE,
        visit=1,
        data={
            "system": request.system,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "unheard": not request.streamed,
        },
        timeout=request.timeout,
    )


def _asked(tool: JsonObject) -> Tool[None]:
    """Return a tool that ends the turn when the model asks for it: it is the caller's to run."""

    async def ask(**arguments: Json) -> Json:
        raise CallDeferred

    return Tool.from_schema(ask, tool["name"], tool.get("description"), tool.get("parameters") or {"type": "object"})


def messages_of(messages: Sequence[JsonObject]) -> list[ModelMessage]:
    """Return messages in OpenAI's form as pydantic-ai's; those that follow one another from one side are one."""
    made: list[ModelMessage] = []
    names: dict[str, str] = {}
    for message in messages:
        if message["role"] == "assistant":
            calls = cast("list[JsonObject]", message.get("tool_calls") or [])
            names.update({each["id"]: each["name"] for each in calls})
            said = [TextPart(message["content"])] if message.get("content") else []
            asked = [ToolCallPart(each["name"], each["arguments"], each["id"]) for each in calls]
            made.append(ModelResponse(parts=[*said, *asked]))
            continue
        part: Any = UserPromptPart(message["content"])
        if message["role"] == "tool":
            called = str(message["tool_call_id"])
            part = ToolReturnPart(names[called], message["content"], called)
        last = made[-1] if made else None
        if isinstance(last, ModelRequest):
            last.parts = [*last.parts, part]
        else:
            made.append(ModelRequest(parts=[part]))
    return made


def _answer(result: AgentRunResult[Any], output: Output, usage: Any, model: str) -> DirectAnswer:
    asked = result.output
    if isinstance(asked, DeferredToolRequests):
        calls = [{"id": c.tool_call_id, "name": c.tool_name, "arguments": c.args_as_dict()} for c in asked.calls]
        return DirectAnswer(
            model=model, content=_said(result), tool_calls=calls, usage=usage, finish_reason="tool_calls"
        )
    reason = result.response.finish_reason
    # A structured answer travels as a call of a tool, which is no call to its reader.
    finished = "stop" if reason in (None, "tool_call", "error") else reason
    return DirectAnswer(model=model, content=output.unwrap(asked), usage=usage, finish_reason=finished)


def _said(result: AgentRunResult[Any]) -> str | None:
    """Return what the model says beside the tools that it asks for."""
    return "".join(part.content for part in result.response.parts if isinstance(part, TextPart)) or None
