"""Agents that call other agents, live: each call a child execution, whose answer the model is told."""

from __future__ import annotations

import json

import pytest
from casting import agent_graph, cast, told
from installation import Cairn, until
from people import answer, asked
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, text, tool_calls
from servers.openai_server import answer as structured
from system.test_children import children

from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    told = {"openai_base_url": server.url, "openai_api_key": SecretStr(KEY)}
    return settings.model_copy(update=told)


def asks(*calls: tuple[str, str]):
    """Ask sub-agents, each (name, message)."""
    return tool_calls(*[(name, {"message": message}) for name, message in calls])


@pytest.mark.history("subagent")
async def test_a_call_is_a_child_execution_and_its_answer_the_result(cairn: Cairn, server: OpenAIServer) -> None:
    server.will(cast(Boss=[asks(("clerk", "You are Clerk")), text("It is 7.")], Clerk=[text("7")]))
    clerk = await cairn.publish(agent_graph())
    done = await cairn.run(agent_graph(("clerk", clerk)), {"message": "You are Boss"})
    done = await cairn.reach(done.id, "completed")
    assert done.output_data == {"content": "It is 7."}
    assert told(server.requests, "Boss") == ["7"]
    (child,) = await children(cairn, done.id)
    assert (child.status, child.workflow_id, child.parent_execution_id) == ("completed", clerk, done.id)
    assert child.input_data == {"message": "You are Clerk"}
    assert done.usage is not None and done.usage["requests"] == 3
    (offered,) = server.requests[0]["tools"]
    assert offered["function"]["name"] == "clerk"
    assert set(offered["function"]["parameters"]["properties"]) == {"message", "context"}


async def test_sub_agents_have_sub_agents_and_give_values(cairn: Cairn, server: OpenAIServer) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    server.will(
        cast(
            Boss=[asks(("chief", "You are Chief")), text("done")],
            Chief=[tool_calls(("clerk", {"message": "Who are you? Clerk", "context": "Count."})), text("chief's")],
            Clerk=[structured({"n": "no"}), structured({"n": 7})],
        )
    )
    clerk = await cairn.publish(agent_graph(output_schema=schema))
    chief = await cairn.publish(agent_graph(("clerk", clerk)))
    done = await cairn.run(agent_graph(("chief", chief)), {"message": "You are Boss"})
    done = await cairn.reach(done.id, "completed")
    assert [json.loads(each) for each in told(server.requests, "Chief")] == [{"n": 7}]
    (child,) = await children(cairn, done.id)
    (grandchild,) = await children(cairn, child.id)
    assert grandchild.input_data["message"] == "<context>\nCount.\n</context>\n\nWho are you? Clerk"
    assert done.usage is not None and done.usage["requests"] == 6


async def test_two_are_asked_at_once(cairn: Cairn, world, server: OpenAIServer) -> None:
    server.will(
        cast(
            Boss=[asks(("one", "Open One"), ("two", "Open Two")), text("Both.")],
            One=[tool_calls(("wait_at", {"gate": "one"})), text("one is open")],
            Two=[tool_calls(("wait_at", {"gate": "two"})), text("two is open")],
        )
    )
    below = await cairn.publish(agent_graph(tools=["wait_at"]))
    run = await cairn.run(agent_graph(("one", below), ("two", below)), {"message": "Boss"})
    await until(lambda: world.waiting["one"] and world.waiting["two"])
    world.gate("two").set()
    await until(lambda: world.effects("two"))
    world.gate("one").set()
    done = await cairn.reach(run.id, "completed")
    assert told(server.requests, "Boss") == ["one is open", "two is open"]
    assert done.children is not None and done.children["agent"].completed == 2


async def test_the_model_is_told_that_one_failed(cairn: Cairn, server: OpenAIServer) -> None:
    server.will(
        cast(
            Boss=[asks(("clerk", "Clerk"), ("ghost", "Ghost")), text("Sorry.")],
            Clerk=[tool_calls(("calculate", {"expression": "1+1"}))],
        )
    )
    clerk = await cairn.publish(agent_graph(tools=["calculate"], max_turns=2))
    done = await cairn.run(agent_graph(("clerk", clerk), ("ghost", "nobody")), {"message": "Boss"})
    done = await cairn.reach(done.id, "completed")
    failed, ghost = told(server.requests, "Boss")
    assert "has no answer after 2 turns" in failed and "there is no agent 'ghost'" in ghost
    assert done.output_data == {"content": "Sorry."}
    assert done.usage is not None and done.usage["requests"] == 4, "also what the failed one used"


async def test_a_circle_and_too_many_levels_are_refused_when_they_come(cairn: Cairn, server: OpenAIServer) -> None:
    parts = {f"L{n}": [asks(("next", f"L{n + 1}")), text(f"{n}.")] for n in range(1, 8)}
    server.will(cast(L0=[asks(("next", "L1"), ("self", "L0")), text("0.")], **parts))
    below = await cairn.publish(agent_graph())
    levels = [below]
    for _ in range(6):
        levels.append(await cairn.publish(agent_graph(("next", levels[-1]))))
    top = agent_graph(("next", levels[-1]))
    top_id = await cairn.publish(top)
    from cairn.domain.graphs.service import GraphService
    from cairn.graph.validate import ValidationContext

    async with cairn.database.transaction() as session:
        service = GraphService(session, cairn.principal.scope, "ann", ValidationContext(known_tools=None))
        await service.update(top_id, definition=agent_graph(("next", levels[-1]), ("self", top_id)))
        await service.publish(top_id)
    done = await cairn.reach((await cairn.start(top_id, {"message": "L0"})).id, "completed")
    assert told(server.requests, "L0")[0] == "1." and "subagent_cycle" in told(server.requests, "L0")[1]
    assert "subagents_too_deep" in told(server.requests, "L5")[0]
    assert done.output_data == {"content": "0."}


async def test_a_cancelled_turn_stops_them(cairn: Cairn, world, server: OpenAIServer) -> None:
    server.will(cast(Boss=[asks(("clerk", "Clerk"))], Clerk=[tool_calls(("wait_at", {"gate": "one"}))]))
    clerk = await cairn.publish(agent_graph(tools=["wait_at"]))
    run = await cairn.run(agent_graph(("clerk", clerk)), {"message": "Boss"})
    await until(lambda: world.waiting["one"])
    (child,) = await children(cairn, run.id)
    async with cairn.executions() as service:
        await service.cancel(run.id)
    await cairn.reach(run.id, "cancelled")
    await cairn.reach(child.id, "cancelled")


async def test_one_that_somebody_cancels_has_failed_for_the_model(cairn: Cairn, world, server: OpenAIServer) -> None:
    server.will(
        cast(Boss=[asks(("clerk", "Clerk")), text("A pity.")], Clerk=[tool_calls(("wait_at", {"gate": "one"}))])
    )
    clerk = await cairn.publish(agent_graph(tools=["wait_at"]))
    run = await cairn.run(agent_graph(("clerk", clerk)), {"message": "Boss"})
    await until(lambda: world.waiting["one"])
    (child,) = await children(cairn, run.id)
    async with cairn.executions() as service:
        await service.cancel(child.id)
    done = await cairn.reach(run.id, "completed")
    assert done.output_data == {"content": "A pity."} and "cancelled" in told(server.requests, "Boss")[0]


async def test_they_are_paused_with_the_turn_and_people_are_asked(cairn: Cairn, server: OpenAIServer) -> None:
    server.will(
        cast(
            Boss=[asks(("clerk", "Clerk")), text("Thanks.")],
            Clerk=[tool_calls(("calculate", {"expression": "6*7"})), text("42")],
        )
    )
    clerk = await cairn.publish(agent_graph(tools=["calculate"], require_approval=["calculate"]))
    run = await cairn.run(agent_graph(("clerk", clerk)), {"message": "Boss"})
    (child,) = await until(lambda: children(cairn, run.id))
    request = await asked(cairn, child.id)
    async with cairn.executions() as service:
        await service.pause(run.id)
    await cairn.reach(child.id, "paused")
    async with cairn.executions() as service:
        await service.resume(run.id)
    await cairn.reach(child.id, "running")
    await answer(cairn, child.id, request, {"decision": "approved"})
    assert (await cairn.reach(run.id, "completed")).output_data == {"content": "Thanks."}
    assert told(server.requests, "Boss") == ["42"]


@pytest.mark.history("subagent_replay")
async def test_a_replay_asks_them_anew_and_one_of_them_takes_the_turn_along(cairn: Cairn, server: OpenAIServer) -> None:
    server.will(
        cast(
            Boss=[asks(("clerk", "Clerk")), text("Thanks.")],
            Clerk=[tool_calls(("calculate", {"expression": "6*7"})), text("42")],
        )
    )
    clerk = await cairn.publish(agent_graph(tools=["calculate"]))
    run = await cairn.run(agent_graph(("clerk", clerk)), {"message": "Boss"})
    await cairn.reach(run.id, "completed")
    await cairn.reset(run.id, "replay", "start")
    await cairn.reach(run.id, "completed")
    first, second = await children(cairn, run.id)
    assert first.id != second.id and len(server.requests) == 8
    # The model is asked anew, the sub-agent goes on after its tool.
    made = await cairn.reset(second.id, "replay", "agent: calculate")
    assert made.id == run.id
    done = await cairn.reach(run.id, "completed")
    assert done.output_data == {"content": "Thanks."} and len(server.requests) == 11
    assert done.children is not None and done.children["agent"].total == 1
