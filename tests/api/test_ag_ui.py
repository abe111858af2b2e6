"""Chat by AG-UI: turns told by the protocol's events, interrupted for people, run again, refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ag_ui.core import Event, EventType, RunAgentInput, UserMessage
from agentflow_agents import AGENT, make
from chatting import asking, reply, told
from installation import Cairn, until
from pydantic import TypeAdapter
from served import Caller, Callers
from servers.openai_server import OpenAIServer, error, gated, said_and_asked, text, thought, tool_calls

from api.agentflow.ag_ui import RunTeller
from api.agentflow.schemas.ag_ui import RunAgent
from cairn.contracts.json import JsonObject
from cairn.domain.chat import ChatEvent, Turn
from cairn.settings import Settings

EVENT: TypeAdapter[Any] = TypeAdapter(Event)
STORY = "one two three four five six"
APPROVED = {"calculate": {"enabled": True}}


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", tools=["calculate"]))["id"]


def asks(message: str, id: str = "m-1", **more: Any) -> JsonObject:
    """Return what a front end sends, by the protocol's own model."""
    asked = RunAgentInput(thread_id="t-1", run_id="r-1", messages=[UserMessage(id=id, content=message)])
    return {**asked.model_dump(mode="json", by_alias=True), **more}


async def run(caller: Caller, agent: str, body: JsonObject, query: str = "?protocol=ag-ui") -> list[Any]:
    """Return the events of a run, read by the protocol's own models."""
    said = await caller.http.post(f"{AGENT}{agent}/chat{query}", json=body)
    assert said.status_code == 200, said.text
    lines = [line.removeprefix("data: ") for line in said.text.splitlines() if line.startswith("data: ")]
    found = [EVENT.validate_json(line) for line in lines]
    assert all(not each.model_extra for each in found), "only what the protocol knows"
    return found


def types(found: list[Any]) -> list[str]:
    """Return the types of events; the pieces of one text are one."""
    kinds = [each.type.value for each in found]
    content = (EventType.TEXT_MESSAGE_CONTENT.value, EventType.REASONING_MESSAGE_CONTENT.value)
    return [kind for i, kind in enumerate(kinds) if kind not in content or kinds[i - 1] != kind]


def texts(found: list[Any]) -> str:
    return "".join(each.delta for each in found if each.type == EventType.TEXT_MESSAGE_CONTENT)


async def test_a_run_is_a_turn_and_a_thread_a_conversation(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Hello Ann."), text("You are Ann."), text("I do not know."))
    found = await run(author, agent, asks("I am Ann."))
    assert types(found) == [
        "RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "CUSTOM", "RUN_FINISHED",
    ]  # fmt: skip
    began, ended = found[0], found[-1]
    assert (began.thread_id, began.run_id, began.protocol_version) == ("t-1", "r-1", "1.0")
    assert texts(found) == ended.result == "Hello Ann." and ended.outcome.type == "success"
    assert len({each.message_id for each in found if each.type.startswith("TEXT_MESSAGE")}) == 1
    assert (found[-2].name, found[-2].value["input_tokens"]) == ("usage", 100)
    execution = await author.get(began.metadata["execution_id"])
    assert execution["status"] == "completed" and execution["metadata"]["message_id"] == "m-1"
    whole = await reply(author, agent, "I am Ann.", message_id="m-1")
    assert whole["conversation_id"] == began.metadata["conversation_id"]
    again = await run(author, agent, asks("Who am I?", "m-2"), "")
    assert texts(again) == "You are Ann." and again[0].metadata["conversation_id"] == whole["conversation_id"]
    assert [m["role"] for m in server.requests[-1]["messages"]] == ["user", "assistant", "user"]
    other = await run(author, agent, asks("Who am I?", "m-3", threadId="t-2"))
    assert texts(other) == "I do not know." and len(server.requests[-1]["messages"]) == 1
    attached = await run(author, agent, asks("Who am I?", "m-2", threadId=whole["conversation_id"]))
    assert texts(attached) == "You are Ann.", "a conversation's own id names it, too"
    elsewhere = await author.http.post(f"{AGENT}{agent}/chat", json=asks("Who am I?", "m-2", threadId="t-2"))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "message_exists")


async def test_the_same_run_twice_at_once_is_one_turn(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Once."))
    found = await asyncio.gather(*(run(author, agent, asks("Hello")) for _ in range(5)))
    assert {texts(each) for each in found} == {"Once."} and len(server.requests) == 1
    assert len({each[0].metadata["conversation_id"] for each in found}) == 1


async def test_the_own_body_can_be_answered_by_the_protocol(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Yes."))
    found = await run(author, agent, {"message": "Well?", "message_id": "m-1"})
    assert texts(found) == "Yes." and found[0].thread_id == found[0].metadata["conversation_id"]
    said = {"message": "Well?", "message_id": "m-1", "stream": False}
    whole = await author.http.post(f"{AGENT}{agent}/chat?protocol=ag-ui", json=said)
    assert whole.json()["content"] == "Yes.", "the protocol is that of the stream"


async def test_reasoning_is_told_to_who_asks(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(
        thought("let me see", tool_calls(("calculate", {"expression": "6*7"}))), thought("so it is", text("It is 42."))
    )
    found = await run(author, agent, asks("How much?"), "?protocol=ag-ui&verbose=true")
    span = [
        "REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_END",
        "REASONING_END",
    ]  # fmt: skip
    call = ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT"]
    said = ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
    assert types(found) == ["RUN_STARTED", *span, *call, *span, *said, "CUSTOM", "RUN_FINISHED"]
    pieces = [each for each in found if each.type == EventType.REASONING_MESSAGE_CONTENT]
    assert "".join(each.delta for each in pieces) == "let me seeso it is"
    assert len({each.message_id for each in pieces}) == 2 and texts(found) == found[-1].result == "It is 42."
    own = await run(author, agent, {"message": "How much?", "message_id": "m-2", "verbose": True})
    assert span == [kind for kind in types(own) if kind.startswith("REASONING")][:5]
    for query in ("?protocol=ag-ui", "?protocol=ag-ui&verbose=false"):
        assert not [kind for kind in types(await run(author, agent, asks("How much?"), query)) if "REASON" in kind]


async def test_tools_are_calls_of_the_message_that_asks_for_them(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    server.will(
        said_and_asked("Let me see.", ("calculate", {"expression": "6*7"}), ("calculate", {"expression": "1/0"})),
        text("It is 42."),
    )
    found = await run(author, agent, asks("How much?"))
    calls = [each for each in found if each.type == EventType.TOOL_CALL_START]
    results = {each.tool_call_id: each for each in found if each.type == EventType.TOOL_CALL_RESULT}
    assert len({each.tool_call_id for each in calls}) == 2 and {each.tool_call_name for each in calls} == {"calculate"}
    opened = next(each for each in found if each.type == EventType.TEXT_MESSAGE_START)
    assert {each.parent_message_id for each in calls} == {opened.message_id}
    arguments = {each.tool_call_id: each.delta for each in found if each.type == EventType.TOOL_CALL_ARGS}
    told_by = {arguments[id]: each.content for id, each in results.items()}
    assert told_by['{"expression":"6*7"}'] == "42"
    assert json.loads(told_by['{"expression":"1/0"}'])["error"]["message"]
    assert texts(found) == "Let me see.It is 42." and found[-1].outcome.type == "success"


async def test_an_approval_interrupts_the_run_and_the_next_one_resumes_it(
    cairn: Cairn, author: Caller, server: OpenAIServer
) -> None:
    agent = (await make(author, tools=["calculate"], approvals=APPROVED))["id"]
    server.will(said_and_asked("Let me see.", ("calculate", {"expression": "6*7"})), text("It is 43."))
    found = await run(author, agent, asks("How much?"))
    assert types(found)[-3:] == ["CUSTOM", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    (asked,) = found[-1].outcome.interrupts
    assert asked.reason == "confirmation" and asked.id.startswith("appr_") and asked.expires_at
    assert asked.metadata == {"tool": "calculate", "arguments": {"expression": "6*7"}}
    assert asked.response_schema["required"] == ["approved"]

    async def pending() -> object:
        return (await author.http.get(f"/api/v1/approvals/{asked.id}")).status_code == 200

    await until(pending)
    edited = {"approved": True, "editedArgs": {"expression": "6*7+1"}}
    answer = {"interruptId": asked.id, "status": "resolved", "payload": edited}
    sent = [each.model_dump(mode="json", by_alias=True) for each in found[-2].messages]
    body = asks("How much?", runId="r-2", messages=sent, resume=[answer])
    callers = Callers(str(author.http.base_url), cairn.database, cairn.settings)
    poor = await callers.new("acme", scopes=["agents:run"])
    refused = await poor.http.post(f"{AGENT}{agent}/chat", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    await callers.close()
    for _ in range(2):  # the same resume may be sent again
        rest = await run(author, agent, body)
        assert types(rest)[:2] == ["RUN_STARTED", "MESSAGES_SNAPSHOT"]
        assert [(m.role, m.content) for m in rest[1].messages] == [("user", "How much?"), ("assistant", "Let me see.")]
        assert [each.value["status"] for each in rest if getattr(each, "name", "") == "approval_resolved"] == [
            "approved"
        ]
        (result,) = (each for each in rest if each.type == EventType.TOOL_CALL_RESULT)
        assert result.content == "43" and texts(rest) == "It is 43." and rest[-1].outcome.type == "success"
    other = {**answer, "payload": {"approved": False}}
    late = await author.http.post(f"{AGENT}{agent}/chat", json={**body, "resume": [other]})
    assert (late.status_code, late.json()["code"]) == (409, "request_resolved")
    passed = {"interruptId": asked.id, "status": "cancelled"}
    assert texts(await run(author, agent, {**body, "resume": [passed]})) == "It is 43.", "who lost it can go on"
    foreign = asks("Another", "m-9", threadId="t-9", resume=[answer])
    server.will(text("Well."))
    assert (await author.http.post(f"{AGENT}{agent}/chat", json=foreign)).status_code == 404


async def test_an_interrupt_that_is_cancelled_is_a_denial(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"], approvals=APPROVED))["id"]
    server.will(tool_calls(("calculate", {"expression": "6*7"})), text("Then not."))
    found = await run(author, agent, asks("How much?"))
    (asked,) = found[-1].outcome.interrupts

    async def resumed() -> object:
        body = asks("How much?", resume=[{"interruptId": asked.id, "status": "cancelled"}])
        said = await author.http.post(f"{AGENT}{agent}/chat", json=body)
        return said.status_code == 200 and said.text

    assert "Then not." in await until(resumed)


async def test_a_run_that_was_cut_off_is_run_again(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=4))
    await told(author, agent, asks("Tell"), until=lambda f: "three" in str(f[-1].get("delta")))
    gate.set()
    seen = [*asks("Tell")["messages"], {"id": "partial", "role": "assistant", "content": "one two "}]
    found = await run(author, agent, asks("Tell", runId="r-2", messages=seen))
    assert types(found)[:2] == ["RUN_STARTED", "MESSAGES_SNAPSHOT"] and len(server.requests) == 1
    assert [m.id for m in found[1].messages] == ["m-1"], "what it has of the turn is told anew"
    assert texts(found) == STORY


async def test_how_runs_end_otherwise(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(error(401, "invalid_api_key"))
    failed = await run(author, agent, asks("Hi"))
    assert (failed[-1].type, failed[-1].code) == (EventType.RUN_ERROR, "model_unauthorized")
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=3))
    body = asks("Tell", "m-2", threadId="t-2")
    begun = await told(author, agent, body, until=lambda f: f[-1]["type"] == EventType.TEXT_MESSAGE_CONTENT)
    busy = await author.http.post(f"{AGENT}{agent}/chat", json={**asks("Now", "m-3"), "threadId": "t-2"})
    assert (busy.status_code, busy.json()["code"]) == (409, "turn_running")
    execution = begun[0]["metadata"]["execution_id"]
    assert (await author.http.post(f"/api/v1/executions/{execution}/cancel")).status_code < 300
    found = await run(author, agent, body)
    assert (found[-1].type, found[-1].outcome.type) == (EventType.RUN_FINISHED, "cancelled")
    gate.set()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"messages": []}, ["body", "messages"]),
        ({"messages": [{"id": "a", "role": "assistant", "content": "x"}]}, ["body", "messages"]),
        ({"messages": [{"id": "a", "role": "nobody", "content": "x"}]}, ["body", "messages", 0]),
        ({"messages": [{"id": "a", "role": "user", "content": ""}]}, ["body", "messages", 0, "content"]),
        ({"threadId": ""}, ["body", "threadId"]),
        ({"runId": None}, ["body", "runId"]),
        ({"resume": [{"interruptId": "appr_1", "status": "resolved"}]}, ["body", "resume", 0, "payload"]),
        ({"resume": [{"interruptId": "appr_1", "status": "later"}]}, ["body", "resume", 0, "status"]),
    ],
)
async def test_what_is_no_run(
    author: Caller, server: OpenAIServer, agent: str, change: JsonObject, place: list[Any]
) -> None:
    server.will(text("Yes."))
    refused = await author.http.post(f"{AGENT}{agent}/chat?protocol=ag-ui", json=asks("Hi", **change))
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"][0]["loc"][: len(place)] == place
    own = await author.http.post(f"{AGENT}{agent}/chat", json={"message": 5})
    assert own.json()["detail"][0]["loc"][:2] == ["body", "message"], "the forms of the body are not told"
    unknown = await author.http.post(f"{AGENT}{agent}/chat?protocol=other", json={"message": "x"})
    assert (unknown.status_code, unknown.json()["detail"][0]["loc"]) == (422, ["query", "protocol"])


async def test_a_text_that_a_restart_voids_is_taken_back() -> None:
    asked = RunAgent.model_validate(asks("Tell"))
    events = [
        _event("start", "x", content={}),
        _event("start", "x:a", content={}),
        _event("delta", "x:a", content="one tw"),
        _event("restart", "x:a", content={"attempt": 2}),
        _event("delta", "x:a", content="one two"),
        _event("tool_start", "x:t", "x:a", content={"tool": "add", "arguments": {"a": 1}}),
        _event("restart", "x", content={"reset": True, "void_after": 0}),
        _event("tool_start", "x:t", "x:a", content={"tool": "add", "arguments": {"a": 2}}),
        _event("tool_end", "x:t", "x:a", content={"tool": "add", "result": {"b": 3}}),
        _event("end", "x", content={"content": "one two", "finish_reason": "stop"}),
    ]

    async def all_of_them():
        for each in events:
            yield each

    turn = Turn(None, "x", "agent", "conv_1", "m-1")  # pyright: ignore[reportArgumentType]
    found: list[Any] = [each async for each in RunTeller(asked, turn).run(all_of_them())]
    assert types(found) == [
        "RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "MESSAGES_SNAPSHOT",
        "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END",
        "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "MESSAGES_SNAPSHOT", "TOOL_CALL_RESULT", "RUN_FINISHED",
    ]  # fmt: skip
    void, anew = (each for each in found if each.type == EventType.MESSAGES_SNAPSHOT)
    assert [message.id for message in void.messages] == ["m-1"]
    (call,) = anew.messages[-1].tool_calls
    assert (anew.messages[-1].content, call.function.arguments) == ("one two", '{"a":2}')


async def test_reasoning_that_a_restart_voids_is_emptied_and_begins_anew() -> None:
    def request(call: str, *pieces: tuple[str, Any]) -> list[ChatEvent]:
        return [_event(kind, call, content=content) for kind, content in pieces]

    thinks, says, again = ("reasoning", "so "), ("delta", "one tw"), ("restart", {"attempt": 2})
    events = [
        *request("x:a", ("start", {}), thinks, says, ("reasoning", "it is")),
        *request("x:b", ("start", {}), thinks, again, ("reasoning", "no"), says, again, says),
        _event("end", "x", content={"content": "one tw", "finish_reason": "stop"}),
    ]

    async def all_of_them():
        for each in events:
            yield each

    turn = Turn(None, "x", "agent", "conv_1", "m-1")  # pyright: ignore[reportArgumentType]
    told = RunTeller(RunAgent.model_validate(asks("Tell")), turn).run(all_of_them())
    open: set[str] = set()
    snapshots: list[list[tuple[str, str]]] = []
    async for event in told:
        kind, _, side = event.type.value.rpartition("_")
        named = f"{kind} {getattr(event, 'message_id', '')}"
        match side:
            case "START":
                assert named not in open
                open.add(named)
            case "CONTENT":
                assert named in open and len(open) == (2 if "REASONING" in kind else 1)
            case "END":
                open.remove(named)
            case _:
                assert not open
                if event.type == EventType.MESSAGES_SNAPSHOT:
                    snapshots.append([(each.id, each.content) for each in event.messages])
    kept = [("m-1", "Tell"), ("x:a:reasoning", "so it is"), ("x:a", "one tw")]
    assert snapshots == [[*kept, ("x:b:reasoning", "")]] * 2


async def test_a_question_interrupts_with_its_schema() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    told = {"prompt": "Where?", "options": None, "schema": schema, "expires_at": None}

    async def asked():
        yield _event("start", "x", content={})
        yield _event("question_asked", "qst_1", "x", content={"question_id": "qst_1", **told})
        await asyncio.Event().wait()

    turn = Turn(None, "x", "agent", "conv_1", "m-1")  # pyright: ignore[reportArgumentType]
    found: list[Any] = [each async for each in RunTeller(RunAgent.model_validate(asks("Go.")), turn).run(asked())]
    assert types(found) == ["RUN_STARTED", "CUSTOM", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    (interrupt,) = found[-1].outcome.interrupts
    assert (interrupt.id, interrupt.reason, interrupt.message) == ("qst_1", "input_required", "Where?")
    assert interrupt.response_schema == schema and interrupt.expires_at is None
    entry = {"interruptId": "qst_1", "status": "resolved", "payload": {"city": "Oslo"}}
    (answer,) = RunAgent.model_validate(asks("Go.", resume=[entry])).answers()
    assert (answer.kind, answer.reply.status, answer.reply.answer) == ("question", "answered", {"city": "Oslo"})


def _event(type: Any, call: str, parent: str | None = None, *, content: Any) -> ChatEvent:
    return ChatEvent(type, call, parent, "x", content, datetime.now(UTC), 0, {})
