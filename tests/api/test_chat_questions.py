"""Agents that ask their users in the middle of a turn: the question is told, its answer resumes the turn."""

from __future__ import annotations

import pytest
from agentflow_agents import make
from chatting import asking, read, reply, shown, told
from installation import Cairn, until
from served import Caller
from servers.openai_server import OpenAIServer, text, tool_calls

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

QUESTIONS = "/api/v1/questions"
CHOICE: JsonObject = {"question": "Which size?", "options": ["S", "M", "L"]}


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


async def asked(author: Caller, server: OpenAIServer, question: JsonObject, **more) -> tuple[str, list[JsonObject]]:
    """Return an agent that has asked its user, and the events of its turn so far."""
    agent = (await make(author, questions={"enabled": True, **more}))["id"]
    server.will(tool_calls(("ask_user", question)), text("A large one, then."))
    body = {"message": "Order a shirt.", "message_id": "m-1"}
    found = await told(author, agent, body, until=lambda f: f[-1]["type"] == "question_asked")

    async def written() -> bool:
        place = f"{QUESTIONS}/{found[-1]['content']['question_id']}"
        return (await author.http.get(place)).status_code == 200

    await until(written)
    return agent, found


async def answer(author: Caller, question: str, said: object) -> tuple[int, JsonObject]:
    done = await author.http.post(f"{QUESTIONS}/{question}/respond", json={"answer": said})
    return done.status_code, done.json()


async def test_a_choice_resumes_the_turn(author: Caller, server: OpenAIServer) -> None:
    agent, found = await asked(author, server, CHOICE)
    content = found[-1]["content"]
    question = content["question_id"]
    assert content == {
        "question_id": question,
        "prompt": "Which size?",
        "options": ["S", "M", "L"],
        "schema": {"enum": ["S", "M", "L"]},
        "expires_at": None,
    }
    (offered,) = server.requests[0]["tools"]
    assert offered["function"]["name"] == "ask_user"
    waiting = await reply(author, agent, "Order a shirt.", message_id="m-1")
    assert waiting["finish_reason"] == "question_asked"
    assert waiting["waits_for"] == [{"type": "question_asked", **content}]
    pending = (await author.http.get(f"{QUESTIONS}/pending", params={"agent_id": agent})).json()["questions"]
    assert [(each["id"], each["options"], each["conversation_id"]) for each in pending] == [
        (question, ["S", "M", "L"], waiting["conversation_id"])
    ]
    status, refused = await answer(author, question, "XXL")
    assert (status, refused["detail"][0]["loc"]) == (422, ["body", "answer"])
    answered = {"id": question, "status": "answered", "execution_id": waiting["execution_id"]}
    assert await answer(author, question, "L") == (200, answered)
    rest = await told(author, agent, {"message": "Order a shirt.", "message_id": "m-1"}, found[-1]["seq"])
    assert rest[0]["type"] == "question_answered" and rest[0]["content"]["answer"] == "L"
    assert shown(found + rest) == "A large one, then." and rest[-1]["type"] == "end"
    assert server.requests[1]["messages"][-1] == {
        "role": "tool", "tool_call_id": "call_ask_user_0", "content": "L",
    }  # fmt: skip
    assert (await answer(author, question, "S"))[0] == 409
    timeline = (await read(author, f"/{waiting['conversation_id']}/timeline"))["items"]
    assert [each["type"] for each in timeline] == ["user", "tool_request", "tool_response", "agent_text"]


async def test_a_free_answer(author: Caller, server: OpenAIServer) -> None:
    agent, found = await asked(author, server, {"question": "Whose name is on it?"})
    content = found[-1]["content"]
    assert content["options"] is None and content["schema"]["type"] == "string"
    assert (await answer(author, content["question_id"], ""))[0] == 422
    assert (await answer(author, content["question_id"], "Ann"))[0] == 200
    done = await reply(author, agent, "Order a shirt.", message_id="m-1")
    assert (done["finish_reason"], done["content"]) == ("stop", "A large one, then.")
    assert server.requests[1]["messages"][-1]["content"] == "Ann"


async def test_nobody_answers_in_time(cairn: Cairn, author: Caller, server: OpenAIServer) -> None:
    agent, found = await asked(author, server, {**CHOICE, "free_text": True}, timeout_seconds=10)
    content = found[-1]["content"]
    assert content["expires_at"] is not None and content["options"] == ["S", "M", "L"]
    done = await reply(author, agent, "Order a shirt.", message_id="m-1")
    while done["finish_reason"] == "question_asked":  # a whole turn is told as it stands
        done = await reply(author, agent, "Order a shirt.", message_id="m-1")
    assert done["content"] == "A large one, then."
    assert "nobody answered in time" in server.requests[1]["messages"][-1]["content"]
    status, late = await answer(author, content["question_id"], "S")
    assert (status, late["code"]) == (410, "request_expired")


async def test_who_does_not_say_that_it_asks_cannot(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    server.will(text("Yes."))
    await reply(author, agent, "Hello")
    assert not server.requests[0].get("tools")
    path = f"/api/v1/agent/{agent}/config"
    changed = await author.http.patch(path, json={"questions": {"enabled": True, "timeout_seconds": 60}})
    assert changed.json()["questions"] == {"enabled": True, "timeout_seconds": 60}
    await reply(author, agent, "Hello")
    assert [each["function"]["name"] for each in server.requests[-1]["tools"]] == ["ask_user"]
    assert (await author.http.patch(path, json={"questions": {"timeout_seconds": 1}})).status_code == 422
