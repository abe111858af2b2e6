"""What is made of conversations: titles, summaries, what search finds of them, what providers take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anthropic.types
import openai.types.chat
import pytest
from agentflow_agents import make
from chatting import CONVERSATIONS, asked, asking, begun, post, read, reply, said_so_far, with_tools
from pydantic import TypeAdapter
from served import Caller
from servers.openai_server import OpenAIServer, text

from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", instructions="Be brief."))["id"]


async def test_a_summary_stands_for_what_was_said_and_loses_nothing(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    server.will(text("One."), text("Two."), text("They counted."), text("Three."), text("Again."))
    conversation = (await reply(author, agent, "First?", message_id="m-1"))["conversation_id"]
    await reply(author, agent, "Second?", conversation_id=conversation, message_id="m-2")
    path = f"/api/v1/agent/{agent}/conversations/{conversation}/compress"
    made = await post(author, path, {"keep_last": 2, "instructions": "In three words."})
    assert (made["summary"], made["compressed_messages"]) == ("They counted.", 2)
    assert made["tokens_before"] > 0 and made["tokens_after"] > 0
    assert "user: First?" in server.requests[-1]["messages"][-1]["content"]
    assert "In three words." in server.requests[-1]["messages"][-1]["content"]
    assert len(await said_so_far(author, conversation)) == 4
    await reply(author, agent, "Third?", conversation_id=conversation)
    told_ = asked(server)
    assert any(role == "system" and "They counted." in content for role, content in told_)
    assert [content for role, content in told_ if role != "system"] == ["Second?", "Two.", "Third?"]
    exported = await read(author, f"/{conversation}/llm-format", format="anthropic")
    assert "They counted." in exported["system"] and exported["messages"][0]["content"][0]["text"] == "Second?"
    nothing = await author.http.post(path, json={"keep_last": 10})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_compress")
    await post(author, f"{CONVERSATIONS}/{conversation}/rollback", {"message_id": "m-1"})
    await reply(author, agent, "Anew?", conversation_id=conversation)
    assert [content for _, content in asked(server)[1:]] == ["First?", "Anew?"], "the original counts again"
    markers = (await read(author, f"/{conversation}/markers"))["markers"]
    assert [(each["kind"], each["void"]) for each in markers] == [("compress", True), ("rollback", False)]


async def test_titles(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Hello."), text("Greetings of a clerk"))
    conversation = (await reply(author, agent, "Good morning,  dear " + "x" * 80))["conversation_id"]
    path = f"/api/v1/agent/conversations/{conversation}/title"
    first = (await author.http.get(path)).json()
    assert first["generated"] is True and first["title"].startswith("Good morning, dear x") and len(first["title"]) < 61
    assert await post(author, f"{path}/generate") == {"title": "Greetings of a clerk", "generated": True}
    assert (await author.http.put(path, json={"title": "Mine"})).json() == {"title": "Mine", "generated": False}
    assert (await author.http.put(path, json={"title": " "})).status_code == 422
    empty = (await begun(author, agent))["id"]
    refused = await author.http.post(f"/api/v1/agent/conversations/{empty}/title/generate")
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation_empty")
    kinds = [each["kind"] for each in (await read(author, f"/{conversation}/markers"))["markers"]]
    assert kinds == ["title", "title"]


async def test_words_are_found_ranked_and_marked(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("The harbour is closed."), text("Nothing."), text("A harbour, a HARBOUR!"))
    ids = [(await reply(author, agent, said))["conversation_id"] for said in ("Which one?", "A train station", "Ships")]
    found = await read(author, "/search", q="harbour")
    assert {each["conversation_id"] for each in found["results"]} == {ids[0], ids[2]} and found["total"] == 2
    scores = [each["score"] for each in found["results"]]
    assert scores == sorted(scores, reverse=True) and min(scores) > 0
    snippets = {each["conversation_id"]: each["matches"][0]["snippet"] for each in found["results"]}
    assert "<mark>harbour</mark> is closed" in snippets[ids[0]]
    titled = await read(author, "/search", q="train station")
    assert [each["conversation_id"] for each in titled["results"]] == [ids[1]]
    for nothing in ("harbour station", "'\" OR ( *", 'harb\u0000our"', "zzz"):
        assert (await read(author, "/search", q=nothing))["total"] == 0, nothing
    assert (await read(author, "/search", q="harbour", agent_id="other"))["total"] == 0
    assert (await read(author, "/search", q="harbour", to="2020-01-01T00:00:00Z"))["total"] == 0
    for since in ("2020-01-01T00:00:00", "2020-01-01t00:00:00z", "2020-01-01"):
        params = {"q": "harbour", "from": since}
        assert (await read(author, "/search", **params))["total"] == 2
    assert len((await read(author, "/search", q="harbour", page=2, page_size=1))["results"]) == 1
    assert (await author.http.get(f"{CONVERSATIONS}/search")).status_code == 422
    for name, wrong in (("from", "5"), ("from", "0001-01-01T00:00:00+14:00"), ("to", "tomorrow")):
        refused = await author.http.get(f"{CONVERSATIONS}/search", params={"q": "harbour", name: wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
        assert refused.json()["detail"][0]["loc"] == ["query", name]
    first = (await read(author, f"/{ids[2]}/messages"))["messages"][0]["id"]
    await post(author, f"{CONVERSATIONS}/{ids[2]}/rollback", {"message_id": first})
    assert (await read(author, "/search", q="harbour"))["total"] == 1, "what a rollback went back over is not found"


async def test_what_is_said_meanwhile_shifts_no_page_of_a_search(author: Caller, agent: str) -> None:
    ids = [(await begun(author, agent, title=f"Harbour {number}"))["id"] for number in range(3)]
    first = await read(author, "/search", q="harbour", page_size=2)
    for _ in range(3):
        late = (await begun(author, agent, title="Harbour"))["id"]
        await post(author, f"{CONVERSATIONS}/{late}/messages", {"content": "harbour harbour"}, 201)
    await post(author, f"{CONVERSATIONS}/{ids[0]}/messages", {"content": "harbour harbour"}, 201)
    second = await read(author, "/search", q="harbour", page_size=2, page=2, anchor=first["anchor"])
    found = [each["conversation_id"] for each in (*first["results"], *second["results"])]
    assert sorted(found) == sorted(ids) and (first["total"], second["total"]) == (3, 3)
    assert second["anchor"] == first["anchor"]
    assert (await read(author, "/search", q="harbour"))["total"] == 6


async def test_exports_are_what_the_sdks_take(author: Caller, server: OpenAIServer) -> None:
    _, conversation = await with_tools(author, server)
    for name, types in (
        ("openai", (openai.types.chat.ChatCompletionMessageParam, openai.types.chat.ChatCompletionToolParam)),
        ("anthropic", (anthropic.types.MessageParam, anthropic.types.ToolParam)),
    ):
        exported = await read(author, f"/{conversation}/llm-format", format=name)
        for key, kind in zip(("messages", "tools"), types, strict=True):
            adapter = TypeAdapter(list[kind])
            assert plain(adapter.validate_python(exported[key])) == plain(exported[key]), f"{name}: {key}"
    messages = (await read(author, f"/{conversation}/llm-format"))["messages"]
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert messages[2]["tool_calls"][0]["function"] == {"name": "calculate", "arguments": '{"expression": "6*7"}'}
    anthropic_ = await read(author, f"/{conversation}/llm-format", format="anthropic")
    assert anthropic_["system"] == "Count."
    assert [each["role"] for each in anthropic_["messages"]] == ["user", "assistant", "user", "assistant"]
    assert (await author.http.get(f"{CONVERSATIONS}/{conversation}/llm-format?format=x")).status_code == 422


def plain(value: Any) -> Any:
    """Return a value with lists for whatever is iterated, which is where the types are checked, and without nulls."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if each is not None}
    return [plain(each) for each in value] if isinstance(value, Iterable) and not isinstance(value, str) else value
