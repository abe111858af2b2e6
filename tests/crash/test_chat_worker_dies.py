"""The worker is killed (-9) in the middle of an agent's turn: it goes on, and no client shows a text twice."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from agentflow_agents import make, make_below
from chatting import by_number, events, reply, shown, told
from crash.site import SOON, Site
from servers.openai_server import OpenAIServer, answer, gated, text, thought, tool_calls

from cairn.contracts.json import JsonObject
from chaos.programs import until

STORY = "Once upon a time there was a rope."


@pytest.mark.timeout(240)
async def test_the_turn_of_a_dead_worker_goes_on(site: Site, model: OpenAIServer) -> None:
    agent = (await make(site.caller, model="openai:gpt-4o"))["id"]
    gate = asyncio.Event()
    model.will(gated(STORY, gate, after=4), text(STORY), text("Yes."))
    body: JsonObject = {"message": "Tell a story", "message_id": f"m-{agent}"}
    found: list[JsonObject] = []
    async with asyncio.timeout(2 * SOON):
        async for event in events(site.caller, agent, body):
            found.append(event)
            if shown(found) == "Once upon a " and not gate.is_set():
                cut = event["seq"]
                await site.worker.kill()
                gate.set()
                await site.restart(site.worker)
    restarts = [event for event in found if event["type"] == "restart"]
    assert [event["content"] for event in restarts] == [{"attempt": 2}]
    assert shown(found) == STORY and found[-1]["type"] == "end"
    seen = [event for event in found if event["seq"] <= cut]
    assert shown(seen + await told(site.caller, agent, body, cut)) == STORY
    assert len(model.requests) == 2
    conversation = found[0]["content"]["conversation_id"]
    await reply(site.caller, agent, "And then?", conversation_id=conversation)
    assert [m["role"] for m in model.requests[-1]["messages"]] == ["user", "assistant", "user"], "it was said once"


@pytest.mark.timeout(240)
async def test_what_a_dead_worker_had_its_model_think_is_void(site: Site, model: OpenAIServer) -> None:
    agent = (await make(site.caller, model="openai:gpt-4o"))["id"]
    gate = asyncio.Event()
    model.will(thought("half of a", text(STORY), gate=gate, after=3), thought("a whole thought", text(STORY)))
    body: JsonObject = {"message": "Tell a story", "message_id": f"m-{agent}", "verbose": True}
    found: list[JsonObject] = []
    async with asyncio.timeout(2 * SOON):
        async for event in events(site.caller, agent, body):
            found.append(event)
            if shown(found, "reasoning") == "half of " and not gate.is_set():
                cut = event["seq"]
                await site.worker.kill()
                gate.set()
                await site.restart(site.worker)
    assert [event["content"] for event in found if event["type"] == "restart"] == [{"attempt": 2}]
    assert (shown(found, "reasoning"), shown(found)) == ("a whole thought", STORY)
    seen = [event for event in found if event["seq"] <= cut]
    rest = await told(site.caller, agent, body, cut)
    assert (shown(seen + rest, "reasoning"), shown(seen + rest)) == ("a whole thought", STORY)
    plain = await told(site.caller, agent, {**body, "verbose": False})
    assert shown(plain) == STORY and not {"reasoning", "restart"} & {event["type"] for event in plain}


@pytest.mark.timeout(240)
async def test_the_turn_of_a_dead_worker_keeps_what_it_was_given(site: Site, model: OpenAIServer) -> None:
    block = {"name": f"now-{uuid.uuid4().hex[:8]}", "body": "It is {{ when }}.", "scope": "turn"}
    assert (await site.post("/prompt-blocks", block)).status_code == 201
    agent = (await make(site.caller, model="openai:gpt-4o", prompt_blocks=[block["name"], "current_time"]))["id"]
    gate = asyncio.Event()
    model.will(gated(STORY, gate, after=4), text(STORY))
    body: JsonObject = {"message": "Tell a story", "message_id": f"m-{agent}", "metadata": {"when": "early"}}
    found: list[JsonObject] = []
    async with asyncio.timeout(2 * SOON):
        async for event in events(site.caller, agent, body):
            found.append(event)
            if shown(found) == "Once upon a " and not gate.is_set():
                await site.worker.kill()
                changed = await site.caller.http.patch(
                    f"/api/v1/prompt-blocks/{block['name']}", json={"body": "It is late."}
                )
                assert changed.status_code == 200
                gate.set()
                await site.restart(site.worker)
    assert shown(found) == STORY and found[-1]["type"] == "end"
    first, again = (request["messages"] for request in model.requests)
    assert first == again and "It is early." in first[0]["content"]
    assert first[1]["content"].startswith("<current_time>")


@pytest.mark.timeout(240)
async def test_a_sub_agent_of_a_dead_worker_goes_on(site: Site, model: OpenAIServer) -> None:
    boss = (await make(site.caller, model="openai:gpt-4o"))["id"]
    clerk = (await make_below(site.caller, boss, name="Clerk", model="openai:gpt-4o"))["id"]
    gate, asked = asyncio.Event(), tool_calls(("clerk", {"message": "Tell a story"}))
    model.will(asked, gated(STORY, gate, after=4), text(STORY), text("That was it."))
    body: JsonObject = {"message": "Have one told", "message_id": f"m-{boss}", "verbose": True}
    found: list[JsonObject] = []
    async with asyncio.timeout(3 * SOON):
        async for event in events(site.caller, boss, body):
            found.append(event)
            if shown(found) == "Once upon a " and not gate.is_set():
                cut = event["seq"]
                await site.worker.kill()
                gate.set()
                await site.restart(site.worker)
    assert shown(found) == f"{STORY}That was it." and found[-1]["content"]["content"] == "That was it."
    (call,) = [event for event in found if event["type"] == "tool_start"]
    assert call["content"]["agent_id"] == clerk and len(model.requests) == 4
    began = [event for event in found if event["parent_call_id"] == call["call_id"]]
    assert [event["type"] for event in began] == ["start", "usage", "end"]

    def own(event: JsonObject) -> bool:
        """Whether it is a piece of the turn's own text: who is behind is told several as one."""
        return event["type"] == "delta" and event["parent_call_id"] == found[0]["call_id"]

    seen = [event for event in found if event["seq"] <= cut]
    rest = await told(site.caller, boss, body, cut)
    assert by_number(seen + rest).items() <= by_number(found).items(), "a number stands for the same, whoever reads"
    assert [each for each in seen + rest if not own(each)] == [each for each in found if not own(each)]
    below = await site.caller.http.get("/api/v1/executions", params={"parent_execution_id": found[0]["call_id"]})
    assert [each["workflow_id"] for each in below.json()["items"]] == [clerk]


@pytest.mark.timeout(240)
async def test_the_api_dies_and_its_reader_goes_on(site: Site, model: OpenAIServer) -> None:
    agent = (await make(site.caller, model="openai:gpt-4o"))["id"]
    gate = asyncio.Event()
    model.will(gated(STORY, gate, after=4))
    body: JsonObject = {"message": "Tell a story", "message_id": f"m-{agent}"}
    async with asyncio.timeout(2 * SOON):
        found = await told(site.caller, agent, body, until=lambda f: shown(f) == "Once upon a ")
        await site.api.kill()
        gate.set()
        await site.restart(site.api)
        await site.up()
        rest = await told(site.caller, agent, body, found[-1]["seq"])
    assert shown(found + rest) == STORY and "restart" not in {event["type"] for event in rest}
    assert len(model.requests) == 1


@pytest.mark.timeout(240)
async def test_the_plan_of_a_dead_worker_is_made(site: Site, model: OpenAIServer) -> None:
    agent = (await make(site.caller, model="openai:gpt-4o"))["id"]
    gate = asyncio.Event()
    steps = {"steps": [{"title": "Go", "description": "Go there.", "depends_on": []}]}
    model.will(gated(STORY, gate, after=4), answer(steps))
    path = f"/api/v1/agent/{agent}/capability/plan"
    asked = asyncio.create_task(site.caller.http.post(path, json={"goal": "Go"}, timeout=3 * SOON))
    async with asyncio.timeout(3 * SOON):
        await until(lambda: model.requests, SOON, "a request to the model")
        await site.worker.kill()
        gate.set()
        await site.restart(site.worker)
        made = await asked
    assert made.status_code == 200, made.text
    assert [each["id"] for each in made.json()["steps"]] == ["step_1"] and len(model.requests) == 2
    found = await site.caller.http.get("/api/v1/executions", params={"workflow_id": agent})
    assert [each["id"] for each in found.json()["items"]] == [made.json()["execution_id"]]


@pytest.mark.timeout(240)
async def test_a_skill_that_a_dead_worker_has_read_is_not_read_again(site: Site, model: OpenAIServer) -> None:
    folder = site.settings.skills / "refunds"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: refunds\ndescription: Gives money back.\n---\nBe kind.")
    agent = (await make(site.caller, model="openai:gpt-4o", skills=["refunds"]))["id"]
    gate = asyncio.Event()
    model.will(tool_calls(("read_skill", {"skill": "refunds"})), gated(STORY, gate, after=4), text(STORY))
    body: JsonObject = {"message": "Money back!", "message_id": f"m-{agent}"}
    found: list[JsonObject] = []
    async with asyncio.timeout(3 * SOON):
        async for event in events(site.caller, agent, body):
            found.append(event)
            if shown(found) == "Once upon a " and not gate.is_set():
                await site.worker.kill()
                (folder / "SKILL.md").write_text("---\nname: refunds\ndescription: Takes it.\n---\nBe stern.")
                gate.set()
                await site.restart(site.worker)
    assert shown(found) == STORY and found[-1]["type"] == "end"
    _, second, third = (request["messages"] for request in model.requests)
    assert second == third and "Gives money back." in third[0]["content"] and "Be kind." in third[-1]["content"]
