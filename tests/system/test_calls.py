"""Calls of voice graphs, live: turns and ways, what surrounds a call, and the row that each end leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from installation import Cairn, until
from phone import call_of, dial, lines, pizzeria, row_of, speaker, tell
from pydantic import SecretStr
from servers.listen import serve
from servers.openai_server import KEY, OpenAIServer, answer, said_and_asked, text, tool_calls
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cairn.domain.calls.turns import converse
from cairn.domain.executions.outside import Event
from cairn.settings import Settings


@pytest.mark.history("call")
async def test_a_call_goes_from_node_to_node_turn_by_turn(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria(), {"guest": {"name": "Ada"}})
    assert await lines(cairn, call, 1) == ["agent: Welcome to the pizzeria, Ada!"]
    await tell(cairn, call, "I would like to order")
    await lines(cairn, call, 4)
    await tell(cairn, call, "My name is Grace. I want 2 pizzas with delivery.")
    await lines(cairn, call, 6)
    await tell(cairn, call, "I am finished")
    done = await cairn.reach(call, "completed")
    assert [c.name for c in done.checkpoints or ()] == [
        "start",
        "turn 1: order_pizza",
        "turn 1",
        "turn 2",
        "turn 3: finished",
        "turn 3",
    ]
    assert done.output_data["disposition"] == "completed"
    assert done.output_data["variables"] == {"pizzas": 2, "name": "Grace", "delivery": True}
    assert done.output_data["transcript"][2]["text"] == "One moment."
    row = await row_of(cairn, call)
    assert row is not None
    assert (row.disposition, row.extracted["name"], row.phone_number) == ("completed", "Grace", None)
    assert row.duration_seconds > 0


async def test_whoever_waits_for_an_answer_holds_no_connection_to_the_database(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria())
    await lines(cairn, call, 1)
    async with cairn.executions() as service:
        await service.pause(call)

    async def told() -> bool:
        async with cairn.executions() as service:
            _, now = await service.located(call)
            return bool((await service.temporal.project(now)).engine.state.inbox)

    async with cairn.executions() as service:
        waiting = asyncio.create_task(converse(service, call, Event("utterance", {"text": "Hello?"}), 60))
        await until(told)
        await until(lambda: not service.session.in_transaction())
        assert not waiting.done()
        async with cairn.executions() as other:
            await other.resume(call)
        _, reply = await waiting
    assert reply is not None
    assert reply.turn == 1


@pytest.mark.history("call_rollback")
async def test_a_rollback_to_a_turn_lets_the_call_end_another_way(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria())
    await tell(cairn, call, "Hello?")
    await lines(cairn, call, 3)
    await tell(cairn, call, "I want to order")
    await lines(cairn, call, 6)
    await cairn.reset(call, "rollback", "turn 1")
    async with cairn.executions() as service:
        await service.resume(call)
    await tell(cairn, call, "A table to reserve")
    assert (await lines(cairn, call, 5))[3] == "caller: A table to reserve"
    async with cairn.executions() as service:
        await service.cancel(call)
    await cairn.reach(call, "cancelled")
    row = await row_of(cairn, call)
    assert row is not None
    assert row.disposition == "cancelled"


async def test_silence_ends_a_call_by_a_timer(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria(), max_user_idle_timeout=0.2)
    done = await cairn.reach(call, "completed")
    assert done.output_data["disposition"] == "user_idle_max_duration_exceeded"


@pytest.fixture
async def web() -> AsyncGenerator[dict]:
    """A server that gives data before calls, and takes webhooks: what it was sent, by path."""
    sent: dict = {}

    async def take(request: Request) -> JSONResponse:
        body = json.loads(await request.body() or b"null")
        sent[request.url.path] = (dict(request.headers), body, request.method)
        if request.url.path == "/broken":
            return JSONResponse({}, 400)
        return JSONResponse({"initial_context": {"guest": {"name": "Eve"}, "vip": True}})

    async with serve(Starlette(routes=[Route("/{path}", take, methods=["GET", "POST"])])) as base:
        sent["url"] = base
        yield sent


async def test_what_surrounds_a_call(cairn: Cairn, web: dict) -> None:
    graph = pizzeria(
        speaker("tell", "webhook", endpoint_url=f"{web['url']}/done", payload_template={"who": "{{ guest.name }}"}),
        speaker("broken", "webhook", endpoint_url=f"{web['url']}/broken", retry={"max_attempts": 1}),
        speaker("asks", "webhook", endpoint_url=f"{web['url']}/ask", http_method="GET", payload_template={"no": "1"}),
        speaker("review", "qa", qa_min_call_duration=0),
        pre_call_fetch_mode="always",
        pre_call_fetch_url=f"{web['url']}/guests",
    )
    call = await dial(cairn, graph)
    assert await lines(cairn, call, 1) == ["agent: Welcome to the pizzeria, Eve!"]
    await tell(cairn, call, "I want to order")
    await lines(cairn, call, 4)
    await tell(cairn, call, "", name="hangup")
    done = await cairn.reach(call, "completed")
    assert web["/done"][1] == {"who": "Eve"}
    assert web["/done"][0]["idempotency-key"].startswith(call)
    assert web["/guests"][1]["event"] == "call_inbound"
    assert web["/broken"][1]["call_disposition"] == "user_hangup"
    names = [c.name for c in done.checkpoints or ()]
    assert names[:5] == ["start", "hello: fetch", "turn 1: order_pizza", "turn 1", "review"]
    assert sorted(names[5:]) == ["asks", "tell"]
    assert web["/ask"][1:] == (None, "GET")  # a GET has no body, whatever its payload says
    assert {"content-type", "content-length"}.isdisjoint(web["/ask"][0])
    found = await call_of(cairn, call)
    assert [(each["node_id"], each["code"]) for each in found.problems] == [("broken", "http_status")]
    row = await row_of(cairn, call)
    assert row is not None
    assert row.summary == found.reviews["review"]["summary"]
    history = json.loads((await cairn.history(call)).to_json())["events"]
    summaries = [each["userMetadata"]["summary"]["data"] for each in history if "userMetadata" in each]
    assert len(summaries) > 5


class TestModels:
    """The real protocol of a model: functions that lead on, functions that work, structured values."""

    @pytest.fixture
    async def server(self) -> AsyncGenerator[OpenAIServer]:
        async with OpenAIServer.running() as made:
            yield made

    @pytest.fixture
    def settings(self, settings: Settings, server: OpenAIServer) -> Settings:
        more = {"openai_base_url": server.url, "openai_api_key": SecretStr(KEY), "default_model": "openai:gpt-4o"}
        return settings.model_copy(update=more)

    async def test_a_model_answers_leads_on_and_extracts(self, cairn: Cairn, server: OpenAIServer) -> None:
        graph = pizzeria(
            {"id": "all", "type": "globalNode", "data": {"name": "all", "prompt": "Be kind to {{ who | all }}."}}
        )
        graph["nodes"][1]["data"] |= {"add_global_prompt": False, "extraction_prompt": "Count for {{ who | all }}."}
        server.will(
            text("What may it be?"),
            said_and_asked("Gladly!", ("order_pizza", {})),
            text("Which one?"),
            tool_calls(("finished", {})),
            answer({"pizzas": 1, "name": "Ada"}),
            text("Goodbye."),
        )
        call = await dial(cairn, graph, {"who": "guests"})
        await tell(cairn, call, "Hm?")
        await lines(cairn, call, 3)
        await tell(cairn, call, "One pizza")
        assert (await lines(cairn, call, 7))[4:] == ["agent: Gladly!", "agent: One moment.", "agent: Which one?"]
        await tell(cairn, call, "A Margherita, for Ada")
        done = await cairn.reach(call, "completed")
        assert done.output_data["variables"] == {"pizzas": 1, "name": "Ada"}
        assert done.output_data["transcript"][-1] == {"role": "agent", "text": "Goodbye."}
        first, second, third = server.requests[:3]
        assert {tool["function"]["name"] for tool in first["tools"]} == {"order_pizza", "reserve_table"}
        roles = [(m["role"], m["content"]) for m in first["messages"]]
        assert "Be kind to guests.\n\nYou are at hello." in roles[0][1]
        assert roles[1:] == [
            ("user", "(The call is connected.)"),
            ("assistant", "Welcome to the pizzeria, dear guest!"),
            ("user", "Hm?"),
        ]
        assert [m["content"] for m in second["messages"][-2:]] == ["What may it be?", "One pizza"]
        assert third["messages"][-1]["role"] == "tool"
        assert "One moment." in third["messages"][-1]["content"]
        assert "You are at order." in third["messages"][0]["content"]
        assert "Be kind" not in third["messages"][0]["content"]
        assert "Be kind to guests." in server.requests[5]["messages"][0]["content"]  # the end has it again
        extraction = server.requests[4]["messages"]
        assert extraction[0]["content"].endswith("Count for guests.")
        assert "Caller: A Margherita, for Ada" in extraction[1]["content"]
        assert {tool["function"]["name"] for tool in third["tools"]} == {"finished"}
        assert done.usage["requests"] == 6

    async def test_a_model_that_cannot_be_asked_fails_the_call_and_the_row_says_so(
        self, cairn: Cairn, server: OpenAIServer
    ) -> None:
        graph = pizzeria()
        graph["nodes"][0]["data"]["retry"] = {"max_attempts": 1}
        server.will(text(""))
        call = await dial(cairn, graph, {"phone_number": "+4930"})
        await tell(cairn, call, "Hm?")
        failed = await cairn.reach(call, "failed")
        assert failed.error["node_id"] == "hello"
        row = await row_of(cairn, call)
        assert row is not None
        assert (row.disposition, row.phone_number) == ("failed", "+4930")
