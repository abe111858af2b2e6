"""Chat by AG-UI's own npm client, the one that front ends are built on (`make frontends` installs it)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agentflow_agents import AGENT, make
from chatting import asking
from frontends.install import BIN, HERE, MODULES, installed
from served import Caller
from servers.openai_server import OpenAIServer, error, gated, said_and_asked, text, thought

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

pytestmark = pytest.mark.skipif(not installed(), reason="`make frontends` installs the client")


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


async def chat(caller: Caller, agent: str, *runs: JsonObject, more: str = "") -> list[Any]:
    """Have the client do these runs in one thread; return what it had after each."""
    client = await asyncio.create_subprocess_exec(
        BIN / "node", HERE / "client.mjs", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    url = f"{caller.http.base_url}{AGENT}{agent}/chat?protocol=ag-ui{more}".replace("//api", "/api")
    asked = {"url": url, "key": caller.key, "threadId": "t-1", "modules": str(MODULES), "runs": runs}
    printed, _ = await client.communicate(json.dumps(asked).encode())
    assert client.returncode == 0
    return json.loads(printed)


def said(run: Any) -> list[tuple[str, Any]]:
    return [(message["role"], message.get("content")) for message in run["messages"]]


async def test_turns_of_a_thread(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    server.will(said_and_asked("Let me see.", ("calculate", {"expression": "6*7"})), text("It is 42."), text("Yes."))
    asked = [{"message": {"id": "m-1", "content": "How much?"}}, {"message": {"id": "m-2", "content": "Sure?"}}]
    first, second = await chat(author, agent, *asked)
    assert "thrown" not in first and first["error"] is None and first["result"] == "It is 42."
    assert said(first) == [
        ("user", "How much?"), ("assistant", "Let me see."), ("tool", "42"), ("assistant", "It is 42."),
    ]  # fmt: skip
    assert first["tools"] == [["calculate", {"expression": "6*7"}]] and first["custom"] == ["usage"]
    (call,) = first["messages"][1]["toolCalls"]
    assert first["messages"][2]["toolCallId"] == call["id"]
    assert said(second) == [*said(first), ("user", "Sure?"), ("assistant", "Yes.")]
    roles = [message["role"] for message in server.requests[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"], "the thread is one conversation"


async def test_reasoning_is_messages_of_its_own(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    server.will(
        thought("let me see", said_and_asked("Wait.", ("calculate", {"expression": "6*7"}))),
        thought("so it is", text("It is 42.")),
        text("Yes."),
    )
    asked = [{"message": {"id": "m-1", "content": "How much?"}}, {"message": {"id": "m-2", "content": "Sure?"}}]
    first, second = await chat(author, agent, *asked, more="&verbose=true")
    assert "thrown" not in first and first["error"] is None
    assert said(first) == [
        ("user", "How much?"), ("reasoning", "let me see"), ("assistant", "Wait."), ("tool", "42"),
        ("reasoning", "so it is"), ("assistant", "It is 42."),
    ]  # fmt: skip
    assert "thrown" not in second and said(second) == [*said(first), ("user", "Sure?"), ("assistant", "Yes.")]


async def test_reasoning_of_a_run_that_is_left_is_told_once(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    gate = asyncio.Event()
    server.will(thought("first this then that", gated("one two three", gate, after=7), gate=gate, after=7))
    asyncio.get_running_loop().call_later(3, gate.set)
    left, done = await chat(
        author, agent, {"message": {"id": "m-1", "content": "Tell"}, "leaveAfter": 1}, {}, more="&verbose=true"
    )
    assert said(left)[1] == ("reasoning", "first this then that")
    assert said(done) == [("user", "Tell"), ("reasoning", "first this then that"), ("assistant", "one two three")]


async def test_a_person_approves_with_other_arguments(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"], approvals={"calculate": {"enabled": True}}))["id"]
    server.will(said_and_asked("Let me see.", ("calculate", {"expression": "6*7"})), text("It is 43."))
    answer = {"approved": True, "editedArgs": {"expression": "6*7+1"}}
    asked, done = await chat(author, agent, {"message": {"id": "m-1", "content": "How much?"}}, {"answer": answer})
    (interrupt,) = asked["interrupts"]
    assert interrupt["metadata"] == {"tool": "calculate", "arguments": {"expression": "6*7"}}
    assert said(asked) == [("user", "How much?"), ("assistant", "Let me see.")]
    assert "thrown" not in done and done["interrupts"] == [] and done["result"] == "It is 43."
    assert said(done) == [*said(asked), ("tool", "43"), ("assistant", "It is 43.")]
    assert done["tools"] == [["calculate", {"expression": "6*7+1"}]] and "approval_resolved" in done["custom"]


async def test_a_run_that_is_left_goes_on_in_the_next_one(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    gate = asyncio.Event()
    story = "one two three four five six"
    server.will(gated(story, gate, after=3))
    asyncio.get_running_loop().call_later(3, gate.set)
    left, done = await chat(author, agent, {"message": {"id": "m-1", "content": "Tell"}, "leaveAfter": 1}, {})
    assert story.startswith(said(left)[-1][1]) and said(left)[-1][1] not in ("", story)
    assert said(done) == [("user", "Tell"), ("assistant", story)], "nothing is lost, and nothing doubled"
    assert len(server.requests) == 1


async def test_errors_are_the_clients(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    server.will(error(401, "invalid_api_key"))
    (failed,) = await chat(author, agent, {"message": {"id": "m-1", "content": "Hi"}})
    assert failed["error"] == "model_unauthorized"
    (refused,) = await chat(author, "none", {"message": {"id": "m-2", "content": "Hi"}})
    assert "404" in refused["thrown"]
