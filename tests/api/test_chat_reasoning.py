"""What a model thinks before it answers: told to those alone who ask for it, by `verbose`."""

from __future__ import annotations

import asyncio

import pytest
from agentflow_agents import make, make_below
from casting import cast
from chatting import asking, events, kinds, read, reply, shown, told
from installation import Cairn
from served import Caller, Callers, served
from servers.openai_server import OpenAIServer, text, thought, tool_calls

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

WHY = "first this then that so it is"
STORY = "one two three four five six"
BODY: JsonObject = {"message": "Tell", "message_id": "m-1"}
VERBOSE: JsonObject = {**BODY, "verbose": True}


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", tools=["calculate"]))["id"]


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
async def test_reasoning_is_told_while_the_model_thinks(
    author: Caller, server: OpenAIServer, agent: str, member: str
) -> None:
    gate = asyncio.Event()
    server.will(thought(WHY, text(STORY), by=member, gate=gate, after=4))
    plain = asyncio.create_task(told(author, agent, BODY))
    found: list[JsonObject] = []
    async for event in events(author, agent, VERBOSE):
        found.append(event)
        if shown(found, "reasoning") == "first this then ":
            gate.set()
    assert kinds(found) == ["start", "start", "reasoning", "delta", "usage", "usage", "end"]
    assert (shown(found, "reasoning"), shown(found)) == (WHY, STORY)
    asked = found[1]
    for each in (event for event in found if event["type"] == "reasoning"):
        assert (each["call_id"], each["parent_call_id"]) == (asked["call_id"], asked["parent_call_id"])
    unasked = await plain
    assert kinds(unasked) == ["start", "start", "delta", "usage", "end"] and shown(unasked) == STORY
    numbers = [event["seq"] for event in found]
    assert numbers == sorted(set(numbers))
    whole = {event["seq"]: event["type"] for event in await told(author, agent, VERBOSE)}
    late = {event["seq"]: event["type"] for event in await told(author, agent, BODY)}
    assert late.items() <= whole.items(), "an event has one number, whoever is told it"


async def test_it_is_none_of_what_is_said(cairn: Cairn, author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(
        thought("let me calculate", tool_calls(("calculate", {"expression": "6*7"}))), thought(WHY, text("It is 42."))
    )
    found = await told(author, agent, VERBOSE)
    assert kinds(found) == [
        "start", "start", "reasoning", "usage", "tool_start", "tool_end", "start", "reasoning", "delta", "usage",
        "usage", "end",
    ]  # fmt: skip
    assert found[-1]["content"]["content"] == "It is 42."
    whole = await reply(author, agent, "Tell", message_id="m-1")
    assert whole["content"] == "It is 42."
    of_it = f"/{whole['conversation_id']}"
    exports = [await read(author, f"{of_it}/llm-format", format=each) for each in ("openai", "anthropic")]
    shows = [await read(author, f"{of_it}/messages"), await read(author, f"{of_it}/timeline"), *exports]
    followed = await author.http.get(f"/api/v1/executions/{whole['execution_id']}/events")
    for elsewhere in [*map(str, shows), followed.text, str(await author.get(whole["execution_id"]))]:
        assert "42" in elsewhere and "so it is" not in elsewhere and "let me" not in elsewhere


async def test_a_reader_that_was_cut_off_in_it_goes_on_elsewhere(
    cairn: Cairn, author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(thought(WHY, text(STORY), gate=gate, after=4))
    before = await told(author, agent, VERBOSE, until=lambda f: shown(f, "reasoning") == "first this then ")
    async with served(cairn.settings) as url:
        others = Callers(url, cairn.database, cairn.settings)
        other = await others.new("acme")
        gate.set()
        after = await told(other, agent, VERBOSE, before[-1]["seq"])
        assert not {event["seq"] for event in before} & {event["seq"] for event in after}
        assert "start" not in kinds(after) and "restart" not in kinds(after)
        assert (shown(before + after, "reasoning"), shown(before + after)) == (WHY, STORY)
        whole = await told(other, agent, VERBOSE)
        for cut in range(len(whole)):
            rest = await told(other, agent, VERBOSE, whole[cut]["seq"])
            assert [e["seq"] for e in rest] == [e["seq"] for e in whole[cut + 1 :]]
        await others.close()
    assert len(server.requests) == 1


async def test_what_a_sub_agent_thinks_is_told_within_its_call(author: Caller, server: OpenAIServer) -> None:
    boss = (await make(author, name="Boss"))["id"]
    await make_below(author, boss, name="Clerk")
    server.will(
        cast(
            Boss=[thought("whom to ask", tool_calls(("clerk", {"message": "You are Clerk"}))), text("Done.")],
            Clerk=[thought(WHY, text(STORY))],
        )
    )
    body: JsonObject = {"message": "You are Boss", "message_id": "m-1"}
    first, plain, second = await asyncio.gather(
        *(told(author, boss, {**body, "verbose": verbose}) for verbose in (True, False, True))
    )
    for found in (first, second, await told(author, boss, {**body, "verbose": True})):
        (call,) = [event for event in found if event["type"] == "tool_start"]
        root, child = found[0]["call_id"], call["content"]["execution_id"]
        thoughts: dict[str | None, str] = {}
        for event in (event for event in found if event["type"] == "reasoning"):
            thoughts[event["parent_call_id"]] = thoughts.get(event["parent_call_id"], "") + event["content"]
        assert thoughts == {root: "whom to ask", child: WHY}
        assert shown(found) == f"{STORY}Done."
        for cut in range(0, len(found), 3):
            rest = await told(author, boss, {**body, "verbose": True}, found[cut]["seq"])
            assert shown(found[: cut + 1] + rest, "reasoning") == shown(found, "reasoning")
            assert shown(found[: cut + 1] + rest) == shown(found)
    assert "reasoning" not in kinds(plain) and shown(plain) == "Done."
