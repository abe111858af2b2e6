"""Turns whose agents call other agents: what is told of it, to all readers alike, and what is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agentflow_agents import AGENT, make, make_below
from casting import cast
from chatting import asking, post, read, reply, shown, told
from installation import Cairn, until
from served import Caller
from servers.openai_server import OpenAIServer, gated, text, tool_calls
from sqlalchemy import select

from cairn.contracts.json import JsonObject
from cairn.persistence.tables import ModelCallRow
from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


def asks(*names: str):
    """Ask sub-agents, each of which takes the part of its name."""
    return tool_calls(*[(name.lower(), {"message": f"You are {name}"}) for name in names])


async def team(author: Caller, *names: str, **more: Any) -> tuple[str, list[str]]:
    """Return an agent with sub-agents of these names."""
    boss = (await make(author, name="Boss"))["id"]
    return boss, [(await make_below(author, boss, name=name, description="Helps.", **more))["id"] for name in names]


def brief(found: list[JsonObject], root: str) -> list[tuple[int, str, str]]:
    """Return events without the pieces of the turn's own text, which each reader takes as they come."""
    own = [event for event in found if not (event["type"] == "delta" and event["parent_call_id"] in (None, root))]
    return [(event["seq"], event["type"], event["call_id"]) for event in own]


async def test_two_at_once_are_told_as_they_work_and_alike_to_everybody(author: Caller, server: OpenAIServer) -> None:
    boss, (one, two) = await team(author, "One", "Two")
    gates = asyncio.Event(), asyncio.Event()
    server.will(
        cast(
            Boss=[asks("One", "Two"), text("All is done.")],
            One=[gated("one says this", gates[0], after=2)],
            Two=[gated("two says that", gates[1], after=2)],
        )
    )
    body: JsonObject = {"message": "You are Boss", "message_id": "m-1"}
    verbose = {**body, "verbose": True}
    both = [asyncio.create_task(told(author, boss, each)) for each in (body, verbose, verbose)]

    async def working() -> list[JsonObject]:
        calls = (await author.http.get("/api/v1/cancel/active-calls")).json()["calls"]
        return calls if len(calls) == 3 else []

    calls = await until(working)
    assert sorted((each["kind"], each["agent_id"]) for each in calls) == sorted(
        [("turn", boss), ("subagent", one), ("subagent", two)]
    )
    gates[1].set()
    await until(lambda: _has_ended(author, calls, two))
    gates[0].set()
    plain, first, second = await asyncio.gather(*both)
    assert plain[-1]["type"] == "end"
    assert [each["seq"] for each in first] == sorted({each["seq"] for each in first})
    late, root = await told(author, boss, verbose), plain[0]["call_id"]
    for other in (second, late):
        assert brief(other, root) == brief(first, root) and shown(other) == shown(first)
    assert brief(plain, root) == [each for each in brief(first, root) if each in brief(plain, root)]
    assert {each["root_call_id"] for each in first} == {root}
    _check_calls(first, root, {"one": one, "two": two})
    ends = [e["content"]["content"] for e in plain if e["type"] == "end"]
    assert ends == ["two says that", "one says this", "All is done."]
    assert "delta" not in {e["type"] for e in plain if e["parent_call_id"] not in (None, root)}
    for number in range(len(first)):
        if number % 3 == 0:
            rest = await told(author, boss, verbose, first[number]["seq"])
            assert brief(rest, root) == brief(first[number + 1 :], root), number


async def _has_ended(author: Caller, calls: list[JsonObject], agent: str) -> bool:
    (call,) = [each for each in calls if each["agent_id"] == agent]
    return (await author.get(call["execution_id"]))["status"] == "completed"


def _check_calls(found: list[JsonObject], root: str, agents: dict[str, str]) -> None:
    for name, agent in agents.items():
        (call,) = [e for e in found if e["type"] == "tool_start" and e["content"]["tool"] == name]
        assert call["content"]["agent_id"] == agent and call["parent_call_id"].startswith(f"{root}:agent#1:turn")
        mine = [e for e in found if e["parent_call_id"] == call["call_id"]]
        assert (mine[0]["type"], mine[-1]["type"]) == ("start", "end")
        child = mine[0]["call_id"]
        assert child == call["content"]["execution_id"] and mine[0]["content"]["agent_id"] == agent
        (written,) = {e["call_id"] for e in found if e["type"] == "delta" and e["parent_call_id"] == child}
        said = "".join(e["content"] for e in found if e["type"] == "delta" and e["call_id"] == written)
        assert said == f"{name} says {'this' if name == 'one' else 'that'}" == mine[-1]["content"]["content"]
        (brought,) = [e for e in found if e["type"] == "tool_end" and e["call_id"] == call["call_id"]]
        assert brought["content"]["result"] == said and brought["seq"] > mine[-1]["seq"]


async def test_a_whole_turn_its_timeline_and_what_it_cost(author: Caller, cairn: Cairn, server: OpenAIServer) -> None:
    boss, (chief,) = await team(author, "Chief")
    clerk = (await make_below(author, chief, name="The Clerk", tools=["calculate"]))["id"]
    server.will(
        cast(
            Boss=[asks("Chief"), text("It is 42.")],
            Chief=[tool_calls(("the_clerk", {"message": "You are Clerk"})), text("42, says the clerk.")],
            Clerk=[tool_calls(("calculate", {"expression": "6*7"})), text("42")],
        )
    )
    said = await reply(author, boss, "You are Boss")
    (call,) = said["tool_calls"]
    assert (said["content"], call["tool"], call["result"]) == ("It is 42.", "chief", "42, says the clerk.")
    assert said["usage"]["requests"] == 6 and said["finish_reason"] == "stop"
    conversation = said["conversation_id"]
    parts = (await read(author, f"/{conversation}/timeline"))["items"]
    assert [each["type"] for each in parts] == ["user", "sub_agent_request", "sub_agent_response", "agent_text"]
    assert parts[1]["content"]["arguments"] == {"message": "You are Chief"}
    assert len((await read(author, f"/{conversation}/messages"))["messages"]) == 2
    async with cairn.database.session() as session:
        asked = (await session.execute(select(ModelCallRow.agent_id))).scalars().all()
    assert sorted(str(each) for each in asked) == sorted([boss, boss, chief, chief, clerk, clerk])


async def test_a_person_is_asked_by_a_sub_agent(author: Caller, server: OpenAIServer) -> None:
    boss, (clerk,) = await team(author, "Clerk", tools=["calculate"], approvals={"calculate": {"enabled": True}})
    server.will(
        cast(
            Boss=[asks("Clerk"), text("Thanks.")], Clerk=[tool_calls(("calculate", {"expression": "6*7"})), text("42")]
        )
    )
    body: JsonObject = {"message": "You are Boss", "message_id": "m-1"}
    waiting = await reply(author, boss, **body)
    assert waiting["finish_reason"] == "approval_required"
    (asked,) = waiting["waits_for"]
    assert (asked["tool"], asked["arguments"]) == ("calculate", {"expression": "6*7"})

    async def pending() -> JsonObject | None:
        found = await author.http.get(f"/api/v1/approvals/{asked['approval_id']}")
        return found.json() if found.status_code == 200 else None

    approval = await until(pending)
    assert (approval["agent_id"], approval["conversation_id"]) == (clerk, waiting["conversation_id"])
    await post(author, f"/api/v1/approvals/{asked['approval_id']}/respond", {"decision": "approved"})
    found = await told(author, boss, body)
    kinds = [each["type"] for each in found]
    assert kinds.index("approval_required") < kinds.index("approval_resolved") < kinds.index("tool_end")
    assert found[-1]["content"]["content"] == "Thanks."


async def test_what_a_model_may_call_follows_what_is_said_of_sub_agents(author: Caller, server: OpenAIServer) -> None:
    boss, (clerk,) = await team(author, "Clerk")
    server.will(text("Yes."))

    async def offered() -> dict[str, str]:
        await reply(author, boss, "What can you do?")
        return {t["function"]["name"]: t["function"]["description"] for t in server.requests[-1].get("tools", [])}

    assert await offered() == {"clerk": "Helps."}
    config = {"name": "Order Clerk №1", "description": ""}
    assert (await author.http.patch(f"{AGENT}{clerk}/config", json=config)).status_code == 200
    assert await offered() == {"order_clerk_1": "Asks the agent Order Clerk №1."}
    other = (await make(author, name="order clerk 1"))["id"]
    patched = await author.http.patch(f"{AGENT}{boss}/config", json={"subagents": [other, clerk]})
    assert patched.status_code == 200
    assert sorted(await offered()) == ["order_clerk_1", "order_clerk_1_2"]
    assert (await author.http.patch(f"{AGENT}{other}/config", json={"status": "archived"})).status_code == 200
    assert list(await offered()) == ["order_clerk_1"]
    assert (await author.http.delete(f"{AGENT}{boss}/subagents/{clerk}")).status_code == 204
    assert await offered() == {}
