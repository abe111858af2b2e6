"""The activity that makes one turn of the model that speaks in a call: it answers, asks for tools, or leads on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic_ai import CallDeferred, DeferredToolRequests, DeferredToolResults, Tool, ToolFailed
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.run import AgentRunResult
from temporalio import activity

from activities.guard import guard, heartbeating
from activities.llm_agent import Output, find_model, make_agent
from activities.llm_turn import deferring, no_history, take_turn
from cairn.contracts.calls import LEADS_ON, SPEAK
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.model_history import ModelHistory
from cairn.domain.tools import Tool as CairnTool
from cairn.domain.tools.authored import Toolbox
from cairn.domain.usage import Ledger
from cairn.errors import CairnError, NotFound
from cairn.providers.llm import LanguageModel, LanguageModels
from cairn.temporal.blobs import BlobError

_BEGIN = "(The call is connected.)"
_GO_ON = "(Go on with the call.)"
_NOTHING: JsonObject = {"type": "object", "properties": {}}


class CallActivities:
    """Speaks in calls with the models of an installation; the workflow has tools run and takes the ways chosen."""

    def __init__(
        self,
        models: LanguageModels,
        toolbox: Toolbox,
        conversations: ModelHistory,
        tokens: TokenWriter | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """Take what they work with; without ``tokens`` replies are not streamed, without ``ledger`` not accounted."""
        self._ledger = ledger
        self._models = models
        self._tokens = tokens
        self._toolbox = toolbox
        self._conversations = conversations

    @activity.defn(name=SPEAK.name)
    async def speak(self, call: NodeCall) -> NodeResult:
        """Have a model answer the caller, open a part of the call, ask for tools, or choose a way.

        Raises:
            ApplicationError: as of ``call_model``.
        """
        guard(call)
        async with heartbeating():
            return await self._speak(call, await find_model(self._models, call, self._ledger))

    async def _speak(self, call: NodeCall, model: LanguageModel) -> NodeResult:
        ways = cast("list[JsonObject]", call.data["transitions"])
        tools = await self._known_tools(call, ways)
        agent = make_agent(call, model, Output(None), [*map(_way, ways), *map(deferring, tools)], defers=True)
        begun, said = await self._said(call)
        result, usage = await take_turn(agent, call, model, said, self._tokens)
        value = await self._told(call, begun, result, {str(way["name"]) for way in ways})
        reads = {tool.name: sorted(tool.reads) for tool in tools if tool.reads}
        value["calls"] = [
            {**each, "names": reads[each["tool"]]} if each["tool"] in reads else each for each in value["calls"]
        ]
        return NodeResult(value=value, usage=usage, model=model.name)

    async def _known_tools(self, call: NodeCall, ways: Sequence[JsonObject]) -> list[CairnTool]:
        """Return the tools that the node names by uuid; a name that is a way's is the way."""
        taken = {str(way["name"]) for way in ways}
        found: list[CairnTool] = []
        for uuid in dict.fromkeys(cast("list[str]", call.data.get("tools") or [])):
            try:
                opened = await self._toolbox.open(call.tenant, call.live, [uuid])
            except NotFound:
                activity.logger.warning("node %s names a tool that does not exist: %s", call.node_id, uuid)
                continue
            found += [tool for tool in opened if tool.name not in taken]
        return found

    async def _said(self, call: NodeCall) -> tuple[list[ModelMessage], dict[str, Any]]:
        """Return what the model's run begins with, and the messages of it that are not kept yet."""
        data = call.data
        unsaid, heard = cast("list[str]", data["unsaid"]), cast("str | None", data["heard"])
        try:
            messages = await self._conversations.read(data.get("history"))
        except (BlobError, CairnError) as error:
            raise no_history(error) from error
        results = cast("list[JsonObject]", data["results"])
        if results:
            answers = {each["id"]: _answer(each, unsaid) for each in results}
            given = DeferredToolResults(calls=answers)
            return [], {"prompt": heard, "message_history": messages, "deferred_tool_results": given}
        begun: list[ModelMessage] = []
        if unsaid:
            begun = [] if messages else [ModelRequest(parts=[UserPromptPart(_BEGIN)])]
            begun.append(ModelResponse(parts=[TextPart("\n".join(unsaid))]))
        prompt = heard or (_GO_ON if messages or begun else _BEGIN)
        return begun, {"prompt": prompt, "message_history": [*messages, *begun] or None}

    async def _told(
        self, call: NodeCall, begun: Sequence[ModelMessage], result: AgentRunResult[Any], ways: set[str]
    ) -> JsonObject:
        added = result.new_messages()
        try:
            history = await self._conversations.append(call.temporal_id, call.data.get("history"), [*begun, *added])
        except (BlobError, CairnError) as error:
            raise no_history(error) from error
        if not isinstance(result.output, DeferredToolRequests):
            return {"history": history, "text": str(result.output).strip(), "calls": [], "transitions": []}
        asked = result.output.calls
        return {
            "history": history,
            "text": _text(added),
            "calls": [
                {"id": each.tool_call_id, "tool": each.tool_name, "arguments": each.args_as_dict()}
                for each in asked
                if each.tool_name not in ways
            ],
            "transitions": [
                {"id": each.tool_call_id, "name": each.tool_name} for each in asked if each.tool_name in ways
            ],
        }


def _text(messages: Sequence[ModelMessage]) -> str:
    """Return what the model says beside the tools that it asks for."""
    last = next((each for each in reversed(messages) if isinstance(each, ModelResponse)), None)
    parts = (part.content for part in last.parts if isinstance(part, TextPart)) if last is not None else ()
    return "\n".join(parts).strip()


def _way(way: JsonObject) -> Tool[None]:
    """Return a way as the model sees it: a function without arguments."""

    async def take(**_: Json) -> Json:
        raise CallDeferred

    made: Tool[None] = Tool.from_schema(take, str(way["name"]), str(way["description"]), _NOTHING)
    made.metadata = {LEADS_ON: True}  # for the offline provider, which goes by words
    return made


def _answer(result: JsonObject, unsaid: Sequence[str]) -> Json | ToolFailed:
    """Return what the model is told of a tool or a way."""
    if "error" in result:
        return ToolFailed(str(result["error"]))
    value = result["value"]
    if not unsaid or not isinstance(value, dict):
        return value
    return {**cast("JsonObject", value), "you_said": list(unsaid)}
