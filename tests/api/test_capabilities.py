"""Capabilities of agents over the API: each an execution, by the tenant's model."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from agentflow_agents import AGENT, make
from chatting import asking, post
from installation import Cairn
from served import Caller, Callers
from servers.openai_server import KEY, OpenAIServer, answer, error, text

from cairn.contracts.json import JsonObject
from cairn.domain.capabilities import service
from cairn.domain.capabilities.passages import LONGEST, passages_of
from cairn.settings import Settings

REFLECTION = {"assessment": "Wrong.", "score": 0.1, "issues": ["It is round."], "suggestions": ["Say so."]}


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer, tmp_path: Path) -> Settings:
    """An installation with a model and skills, with each kind of database."""
    return asking(settings, server).model_copy(update={"skills_root": tmp_path / "skills"})


def step(title: str, *needs: int, tool: str | None = None) -> JsonObject:
    return {"title": title, "description": f"{title}.", "tool": tool, "depends_on": list(needs)}


async def asked(caller: Caller, agent: str, capability: str, headers: dict[str, str] | None = None, **body) -> Any:
    return await caller.http.post(f"{AGENT}{agent}/capability/{capability}", json=body, headers=headers)


async def test_a_plan_has_steps_that_name_each_other_and_tools(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, instructions="Count {{ all }}.", tools=["calculate", "echo"], temperature=0.5))["id"]
    server.will(answer({"steps": [step("Look", 1, 2), step("Count", 1, 1, 3, tool="calculate"), step("Tell", 2, 1)]}))
    made = (await asked(author, agent, "plan", goal="Count the stones", constraints=["Today", "Alone"])).json()
    assert made["steps"] == [
        {"id": "step_1", "title": "Look", "description": "Look.", "tool": None, "depends_on": []},
        {"id": "step_2", "title": "Count", "description": "Count.", "tool": "calculate", "depends_on": ["step_1"]},
        {"id": "step_3", "title": "Tell", "description": "Tell.", "tool": None, "depends_on": ["step_1", "step_2"]},
    ]
    execution = await author.get(made["execution_id"])
    assert (execution["status"], execution["metadata"]["capability"]) == ("completed", "plan")
    assert execution["workflow_id"] == agent
    (request,) = server.requests
    system, user = (each["content"] for each in request["messages"])
    assert "Count {{ all }}." in system and "- calculate: Calculate an arithmetic expression." in system
    assert user == "Count the stones\n\nConstraints:\n- Today\n- Alone" and request["temperature"] == 0.5


async def test_a_plan_of_an_unknown_tool_goes_back_to_the_model(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    server.will(answer({"steps": [step("Fly", tool="teleport")]}), answer({"steps": [step("Walk")]}))
    made = (await asked(author, agent, "plan", goal="Go")).json()
    assert [each["title"] for each in made["steps"]] == ["Walk"] and len(server.requests) == 2
    server.will(*[text("No plan.")] * 20)
    failed = await asked(author, agent, "plan", goal="Go")
    assert failed.status_code == 502 and failed.json()["execution_id"].startswith("exec_")


async def test_one_that_has_failed_is_no_refusal_of_the_request(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    server.will(error(400, "context_length_exceeded"))
    failed = await asked(author, agent, "reflect", content="It is flat.")
    assert (failed.status_code, failed.json()["code"]) == (502, "context_too_long"), failed.text
    assert (await author.get(failed.json()["execution_id"]))["status"] == "failed"


async def test_a_reflection_is_a_judgement(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    server.will(answer(REFLECTION))
    made = (await asked(author, agent, "reflect", content="It is flat.", criteria=["It is right"])).json()
    assert made == {**REFLECTION, "execution_id": made["execution_id"]}
    assert "- It is right" in server.requests[0]["messages"][-1]["content"]
    listed = await author.http.get("/api/v1/executions", params={"metadata.capability": "reflect"})
    assert [each["id"] for each in listed.json()["items"]] == [made["execution_id"]]
    usage = (await author.get(made["execution_id"]))["usage"]
    assert (usage["requests"], usage["input_tokens"]) == (1, 100)


async def test_the_same_request_again_asks_no_model_twice(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    server.will(answer(REFLECTION))
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first, again = [await asked(author, agent, "reflect", headers, content="It is flat.") for _ in range(2)]
    assert first.json() == again.json() and len(server.requests) == 1


async def test_one_that_takes_long_goes_on(
    author: Caller, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = (await make(author))["id"]
    monkeypatch.setattr(service, "LONGEST_WAIT", 0.0)
    server.will(answer(REFLECTION))
    late = await asked(author, agent, "reflect", content="It is flat.")
    assert (late.status_code, late.json()["code"], late.headers["Retry-After"]) == (503, "capability_running", "1")
    done = await author.reach(late.json()["execution_id"], "completed")
    assert done["output_data"] == {"reflection": REFLECTION}


async def test_the_tenants_own_model_is_asked(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    config = {"provider": "openai", "api_key": KEY, "base_url": server.url, "models": ["of-ours"]}
    config["defaults"] = {"capabilities": "of-ours"}
    await post(author, "/api/v1/llm/config", config, 201)
    switched = await author.http.put("/api/v1/llm/config/mode", json={"mode": "byok"})
    assert switched.status_code == 200
    server.will(answer(REFLECTION))
    assert (await asked(author, agent, "reflect", content="It is flat.")).status_code == 200
    assert server.requests[0]["model"] == "of-ours"
    other = (await make(author, model="openai:another"))["id"]
    refused = await asked(author, other, "plan", goal="Go")
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")


async def test_what_an_agent_reads_is_searched(author: Caller, tmp_path: Path) -> None:
    folder = tmp_path / "skills" / "refunds"
    (folder / "references").mkdir(parents=True)
    about = "---\nname: refunds\ndescription: Gives money back.\n---\n"
    (folder / "SKILL.md").write_text(f"{about}# Refunds\n\nUp to 100 EUR at once.\n\n# Parcels\n\nNothing.")
    (folder / "references" / "rules.md").write_text("A manager decides on vouchers above 100 EUR.")
    (folder / "photo.png").write_bytes(b"\x89PNG\x00vouchers")
    for name, more in (("policy", {}), ("off", {"enabled": False}), ("theirs", {"agents": ["another"]})):
        block = {"name": name, "body": "Vouchers hold for a year.", **more}
        await post(author, "/api/v1/prompt-blocks", block, 201)
    blocks = ["policy", "off", "theirs", "nowhere", "current_time"]
    agent = (await make(author, skills=["refunds", "missing"], context_blocks=blocks))["id"]
    found = (await asked(author, agent, "retrieve", query="Who decides about a voucher?")).json()
    assert [(each["id"], each["source"], each["title"]) for each in found["documents"]] == [
        ("skill/refunds/references/rules.md#0", "skill", "refunds/references/rules.md"),
        ("prompt_block/policy#0", "prompt_block", "policy"),
    ]
    first = found["documents"][0]
    assert first["metadata"] == {"skill": "refunds", "path": "references/rules.md", "passage": 0}
    assert first["content"] == "A manager decides on vouchers above 100 EUR." and first["score"] > 0
    assert (await author.get(found["execution_id"]))["metadata"]["capability"] == "retrieve"
    one = (await asked(author, agent, "retrieve", query="refunds voucher parcels", top_k=1)).json()
    assert len(one["documents"]) == 1
    for query in ("zebra", "?!", "the and"):
        assert (await asked(author, agent, "retrieve", query=query)).json()["documents"] == []
    nothing = (await make(author))["id"]
    assert (await asked(author, nothing, "retrieve", query="voucher")).json()["documents"] == []


def test_passages_are_paragraphs_under_their_headings() -> None:
    page = f"Before.\n\n# One\n\nFirst.\n\nSecond.\n\n## Two\n{'word ' * 100}\n{'line ' * 200}\n\n{'x' * 3 * LONGEST}"
    found = list(passages_of(page))
    assert [heading for heading, _ in found] == ["", "One", "Two", "Two", "Two"]
    assert [content for _, content in found[:2]] == ["Before.", "# One\n\nFirst.\n\nSecond."]
    assert all(len(content) <= LONGEST for _, content in found[:4]) and list(passages_of(" \n\n ")) == []


@pytest.mark.parametrize(
    ("capability", "body"),
    [
        ("plan", {}),
        ("plan", {"goal": ""}),
        ("plan", {"goal": "Go", "constraints": [""]}),
        ("plan", {"goal": "Go", "constraints": "Today"}),
        ("reflect", {"content": 5}),
        ("reflect", {"content": "x" * 100_001}),
        ("retrieve", {"query": ""}),
        ("retrieve", {"query": "x", "top_k": 0}),
        ("retrieve", {"query": "x", "top_k": 51}),
    ],
)
async def test_what_cannot_be_asked(author: Caller, capability: str, body: JsonObject) -> None:
    agent = (await make(author))["id"]
    refused = await asked(author, agent, capability, **body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert refused.json()["detail"][0]["loc"][0] == "body" and refused.json()["request_id"]


async def test_what_is_not_there_and_what_fails(author: Caller, cairn: Cairn, server: OpenAIServer) -> None:
    agent = (await make(author))["id"]
    callers = Callers(str(author.http.base_url), cairn.database, cairn.settings)
    other, poor = await callers.new("other"), await callers.new("acme", scopes=["agents:read"])
    bodies = {"plan": {"goal": "Go"}, "reflect": {"content": "x"}, "retrieve": {"query": "x"}}
    for capability, body in bodies.items():
        assert (await asked(author, "none", capability, **body)).status_code == 404
        assert (await asked(other, agent, capability, **body)).status_code == 404
        assert (await asked(poor, agent, capability, **body)).status_code == 403
    await callers.close()
    missing = await asked(author, agent, "retrieve", query="x", knowledge_bases=["kb_1"])
    assert (missing.status_code, missing.json()["code"]) == (404, "knowledge_base_not_found")
    server.will(error(401, "invalid_api_key"))
    failed = await asked(author, agent, "plan", goal="Go")
    assert (failed.status_code, failed.json()["code"]) == (502, "model_unauthorized")
    await author.http.patch(f"{AGENT}{agent}/config", json={"status": "archived"})
    refused = await asked(author, agent, "reflect", content="x")
    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_archived")
