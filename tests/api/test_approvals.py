"""Approvals and questions from end to end: an execution asks, a person answers, it goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphs import edge, node, noting, sequence
from installation import until
from served import Caller, Callers
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cairn.errors import Unavailable
from cairn.temporal.executions import ExecutionClient

BASE = "/api/v1"


def asking(**data: Any) -> dict[str, Any]:
    """ask -> after -> end, which gives what the person said."""
    return sequence(
        node("ask", "approval", prompt="May {{who}} go on?", **data),
        noting("after"),
        node("end", "end", output={"said": "outputs.ask"}),
    )


def questioning(**data: Any) -> dict[str, Any]:
    return sequence(
        node("ask", "question", prompt="Which one?", **data), node("end", "end", output={"said": "outputs.ask"})
    )


async def asked(caller: Caller, execution_id: str, what: str = "approvals") -> dict[str, Any]:
    """Wait until the execution asks; return what it asks."""

    async def found() -> dict[str, Any] | None:
        reply = await caller.http.get(f"{BASE}/{what}/pending?execution_id={execution_id}")
        assert reply.status_code == 200, reply.text
        return next(iter(reply.json()[what]), None)

    return await until(found)


async def respond(caller: Caller, request_id: str, what: str = "approvals", /, key: str | None = None, **body: Any):
    headers = {"Idempotency-Key": key} if key else {}
    return await caller.http.post(f"{BASE}/{what}/{request_id}/respond", json=body, headers=headers)


async def ask(caller: Caller, definition: dict[str, Any], what: str = "approvals") -> tuple[str, dict[str, Any]]:
    execution = await caller.start(definition, input_data={"who": "it"})
    return execution["id"], await asked(caller, execution["id"], what)


@pytest.mark.parametrize(("decision", "made"), [("approved", "approved"), ("approve", "approved"), ("deny", "denied")])
async def test_an_approval_is_asked_and_answered(callers: Callers, world, decision: str, made: str) -> None:
    caller = await callers.new(user_id="ann")
    execution_id, approval = await ask(caller, asking())
    assert approval["status"] == "pending" and approval["id"].startswith("appr_")
    assert (approval["prompt"], approval["execution_id"]) == ("May it go on?", execution_id)
    assert approval["resolved_at"] is None and approval["decision"] is None
    assert approval["agent_id"] == (await caller.get(execution_id))["workflow_id"]
    reply = await respond(caller, approval["id"], decision=decision, reason="because")
    assert reply.status_code == 200, reply.text
    assert (reply.json()["status"], reply.json()["resolved_by"]) == (made, "ann")
    done = await caller.reach(execution_id, "completed")
    said = {"decision": made, "by": "ann", "reason": "because", "modified_arguments": None}
    assert done["output_data"] == {"said": said}
    kept = (await caller.http.get(f"{BASE}/approvals/{approval['id']}")).json()
    assert (kept["status"], kept["decision"], kept["reason"]) == (made, made, "because")
    assert (await caller.http.get(f"{BASE}/approvals/pending")).json()["total"] == 0


async def test_a_question_is_asked_and_answered(caller: Caller, world) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    execution_id, question = await ask(caller, questioning(schema=schema), "questions")
    assert question["id"].startswith("qst_") and question["answer_schema"] == schema
    for wrong, pointer in (({"n": "x"}, "n"), ({}, None), (5, None)):
        reply = await respond(caller, question["id"], "questions", answer=wrong)
        assert reply.status_code == 422
        assert reply.json()["detail"][0]["loc"] == ["body", "answer", *([pointer] if pointer else [])]
    assert (await respond(caller, question["id"], "questions")).status_code == 422
    reply = await respond(caller, question["id"], "questions", answer={"n": 5})
    assert (reply.status_code, reply.json()) == (
        200,
        {"id": question["id"], "status": "answered", "execution_id": execution_id},
    )
    assert (await caller.reach(execution_id, "completed"))["output_data"] == {"said": {"n": 5}}
    again = await respond(caller, question["id"], "questions", answer={"n": 5})
    assert again.status_code == 409
    kept = (await caller.http.get(f"{BASE}/questions/{question['id']}")).json()
    assert (kept["status"], kept["answer"]) == ("answered", {"n": 5})


async def test_of_many_who_answer_at_once_one_is_heard(caller: Caller, world) -> None:
    execution_id, question = await ask(caller, questioning(), "questions")
    replies = await asyncio.gather(
        *[respond(caller, question["id"], "questions", answer=number) for number in range(8)]
    )
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 7
    won = next(number for number, reply in enumerate(replies) if reply.status_code == 200)
    assert (await caller.reach(execution_id, "completed"))["output_data"] == {"said": won}
    kept = (await caller.http.get(f"{BASE}/questions/{question['id']}")).json()
    assert (kept["status"], kept["answer"]) == ("answered", won)


async def test_an_idempotency_key_answers_once(caller: Caller, world) -> None:
    execution_id, approval = await ask(caller, asking())
    first = await respond(caller, approval["id"], key="k", decision="approved")
    again = await respond(caller, approval["id"], key="k", decision="approved")
    assert first.status_code == 200 and again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await respond(caller, approval["id"], key="k", decision="denied")
    assert other.status_code == 422
    assert (await respond(caller, approval["id"], key="other", decision="approved")).status_code == 409
    assert (await caller.reach(execution_id, "completed"))["output_data"]["said"]["decision"] == "approved"


async def test_assignees_alone_may_answer(callers: Callers, world) -> None:
    ann = await callers.new(user_id="ann")
    bob = await callers.new(ann.tenant, user_id="bob")
    named = await callers.new(ann.tenant, name="desk")
    execution_id, approval = await ask(ann, asking(assignees=["bob", "desk"]))
    assert approval["assignees"] == ["bob", "desk"]
    refused = await respond(ann, approval["id"], decision="approved")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_an_assignee")
    assert (await ann.http.delete(f"{BASE}/approvals/{approval['id']}")).status_code == 403
    assert (await respond(bob, approval["id"], decision="denied")).status_code == 200
    assert (await ann.reach(execution_id, "completed"))["output_data"]["said"]["by"] == "bob"
    _, approval = await ask(ann, asking(assignees=["bob", "desk"]))
    assert (await respond(named, approval["id"], decision="approved")).status_code == 200


async def test_an_approval_that_is_taken_back_is_denied_to_the_execution(caller: Caller, world) -> None:
    execution_id, approval = await ask(caller, asking())
    path = f"{BASE}/approvals/{approval['id']}"
    for _ in range(2):
        reply = await caller.http.delete(path)
        assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    done = await caller.reach(execution_id, "completed")
    assert done["output_data"]["said"]["decision"] == "denied"
    assert (await caller.http.get(path)).json()["status"] == "cancelled"
    assert (await respond(caller, approval["id"], decision="approved")).status_code == 409
    _, decided = await ask(caller, asking())
    await respond(caller, decided["id"], decision="approved")
    assert (await caller.http.delete(f"{BASE}/approvals/{decided['id']}")).status_code == 409


async def test_taking_an_approval_back_is_sent_again_when_it_was_done_and_not_answered(
    caller: Caller, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id, approval = await ask(caller, asking())
    path, command = f"{BASE}/approvals/{approval['id']}", ExecutionClient.command

    async def unheard(*args: Any, **named: Any) -> None:
        await command(*args, **named)
        raise Unavailable("No worker answered the command in time", code="worker_unavailable", retry_after=1)

    monkeypatch.setattr(ExecutionClient, "command", unheard)
    assert (await caller.http.delete(path)).status_code == 503
    monkeypatch.undo()
    await caller.reach(execution_id, "completed")
    assert (await caller.http.get(path)).json()["status"] == "denied"
    again = await caller.http.delete(path)
    assert (again.status_code, again.json().get("status")) == (200, "cancelled"), again.text


async def test_modified_arguments_are_for_a_tools_call_that_is_approved(caller: Caller, world) -> None:
    _, approval = await ask(caller, asking())
    for decision in ("approved", "denied"):
        reply = await respond(caller, approval["id"], decision=decision, modified_arguments={"a": 1})
        assert reply.status_code == 422
        assert reply.json()["detail"][0]["loc"] == ["body", "modified_arguments"]
    for wrong in ({"decision": "maybe"}, {}, {"decision": "approved", "modified_arguments": []}):
        assert (await respond(caller, approval["id"], **wrong)).status_code == 422


async def test_an_approval_expires(caller: Caller, world) -> None:
    definition = sequence(node("ask", "approval", prompt="?", timeout=0.5, on_timeout="late"), noting("after"))
    definition["edges"] += [edge("ask", "late", label="late", on="timeout"), edge("late", "end")]
    definition["nodes"].append(noting("late"))
    execution = await caller.start(definition)
    approval = await asked(caller, execution["id"])
    assert approval["expires_at"] > approval["requested_at"]
    await caller.reach(execution["id"], "completed")
    assert world.of(execution["id"]) == ["late"]

    async def expired() -> bool:
        reply = await caller.http.get(f"{BASE}/approvals/{approval['id']}")
        return reply.json()["status"] == "expired" and reply.json()["resolved_at"] is not None

    await until(expired)
    reply = await respond(caller, approval["id"], decision="approved")
    assert (reply.status_code, reply.json()["code"]) == (410, "request_expired")
    assert (await caller.http.post(f"{BASE}/approvals/cleanup-expired")).json() == {"expired": 0}


async def test_many_are_decided_at_once_each_by_itself(caller: Caller, world) -> None:
    made = [await ask(caller, asking()) for _ in range(3)]
    ids = [approval["id"] for _, approval in made]
    await respond(caller, ids[2], decision="denied")
    body = {
        "responses": [
            {"id": ids[0], "decision": "approved"},
            {"id": ids[1], "decision": "denied", "reason": "no"},
            {"id": ids[2], "decision": "approved"},
            {"id": "appr_none", "decision": "approved"},
            {"id": ids[0], "decision": "approved"},
        ]
    }
    reply = await caller.http.post(f"{BASE}/approvals/bulk-respond", json=body, headers={"Idempotency-Key": "bulk"})
    results = reply.json()["results"]
    assert [(each["id"], each["ok"], each["status"]) for each in results[:2]] == [
        (ids[0], True, "approved"),
        (ids[1], True, "denied"),
    ]
    assert [each["error"]["code"] for each in results[2:]] == [
        "request_resolved",
        "approval_not_found",
        "request_resolved",
    ]
    for execution_id, _ in made:
        await caller.reach(execution_id, "completed")
    for wrong in ({}, {"responses": []}, {"responses": [{"id": ids[0]}]}):
        assert (await caller.http.post(f"{BASE}/approvals/bulk-respond", json=wrong)).status_code == 422


async def test_pages_and_filters_of_what_is_pending(caller: Caller, world) -> None:
    made = [(await ask(caller, asking()))[1]["id"] for _ in range(3)]
    first = (await caller.http.get(f"{BASE}/approvals/pending?page_size=2")).json()
    assert [each["id"] for each in first["approvals"]] == made[:0:-1]
    assert (first["total"], first["page"], first["page_size"]) == (3, 1, 2)
    await ask(caller, asking())
    second = (await caller.http.get(f"{BASE}/approvals/pending?page=2&page_size=2&anchor={first['anchor']}")).json()
    assert [each["id"] for each in second["approvals"]] == made[:1]
    assert (await caller.http.get(f"{BASE}/approvals/pending?tool_name=refund")).json()["approvals"] == []
    for bad in ("page=0", "page_size=101", "page=x"):
        assert (await caller.http.get(f"{BASE}/approvals/pending?{bad}")).status_code == 422
    board = (await caller.http.get(f"{BASE}/approvals/dashboard/summary")).json()
    assert board["pending"] == 4 and board["by_tool"] == [{"tool_id": None, "pending": 4}]
    assert board["last_24h"]["requested"] == 4
    assert (await caller.http.get(f"{BASE}/approvals/tools/note/stats")).json()["total"] == 0
    assert (await caller.http.get(f"{BASE}/approvals/tools/unheard/stats")).status_code == 404


async def test_another_tenants_the_other_modes_and_unknown_requests_are_not_found(callers: Callers, world) -> None:
    owner = await callers.new()
    _, approval = await ask(owner, asking())
    _, question = await ask(owner, questioning(), "questions")
    for other in (await callers.new(), await callers.new(owner.tenant, live=False)):
        for what, one in (("approvals", approval), ("questions", question)):
            path = f"{BASE}/{what}/{one['id']}"
            assert (await other.http.get(path)).status_code == 404
            body = {"decision": "approved", "answer": 1}
            assert (await other.http.post(f"{path}/respond", json=body)).status_code == 404
            assert (await other.http.get(f"{BASE}/{what}/pending")).json()["total"] == 0
        assert (await other.http.delete(f"{BASE}/approvals/{approval['id']}")).status_code == 404
    # One kind is not found as the other.
    assert (await respond(owner, question["id"], decision="approved")).status_code == 404
    assert (await respond(owner, approval["id"], "questions", answer=1)).status_code == 404
    for path in ("approvals/unknown", "questions/unknown"):
        reply = await owner.http.get(f"{BASE}/{path}")
        assert reply.status_code == 404 and reply.json()["request_id"] == reply.headers["X-Request-ID"]


async def test_scopes(callers: Callers, world) -> None:
    owner = await callers.new()
    _, approval = await ask(owner, asking())
    reader = await callers.new(owner.tenant, scopes=["approvals:read"])
    stranger = await callers.new(owner.tenant, scopes=["executions:write"])
    path = f"{BASE}/approvals/{approval['id']}"
    assert (await reader.http.get(path)).status_code == 200
    assert (await stranger.http.get(path)).status_code == 403
    for caller in (reader, stranger):
        assert (await respond(caller, approval["id"], decision="approved")).status_code == 403
        assert (await caller.http.delete(path)).status_code == 403
        assert (await respond(caller, "qst_none", "questions", answer=1)).status_code == 403
    assert (await callers.client().get(path)).status_code == 401


async def test_a_reset_cancels_what_the_old_line_asked_and_asks_anew(caller: Caller, world) -> None:
    execution_id, old = await ask(caller, asking())
    reply = await caller.http.post(f"{BASE}/executions/{execution_id}/rollback", json={"checkpoint_name": "start"})
    assert reply.status_code == 200, reply.text
    assert (await caller.http.get(f"{BASE}/approvals/{old['id']}")).json()["status"] == "cancelled"
    assert (await respond(caller, old["id"], decision="approved")).status_code == 409
    await caller.http.post(f"{BASE}/executions/{execution_id}/resume")
    new = await asked(caller, execution_id)
    assert new["id"] != old["id"]
    assert (await respond(caller, new["id"], decision="approved")).status_code == 200
    await caller.reach(execution_id, "completed")


async def test_the_end_of_an_execution_cancels_what_it_asked(caller: Caller, world) -> None:
    execution_id, approval = await ask(caller, asking())
    await caller.http.post(f"{BASE}/executions/{execution_id}/cancel")
    await caller.reach(execution_id, "cancelled")

    async def cancelled() -> bool:
        return (await caller.http.get(f"{BASE}/approvals/{approval['id']}")).json()["status"] == "cancelled"

    await until(cancelled)
    assert (await respond(caller, approval["id"], decision="approved")).status_code == 409


@pytest.fixture
async def listener() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    heard: list[dict[str, Any]] = []

    async def hear(request: Request) -> Response:
        heard.append(json.loads(await request.body()))
        return Response(status_code=204)

    async with serve(Starlette(routes=[Route("/", hear, methods=["POST"])])) as url:
        yield f"{url}/", heard


async def test_a_link_answers_without_a_key_once(callers: Callers, listener, world) -> None:
    caller = await callers.new()
    url, heard = listener
    execution_id, approval = await ask(caller, asking(assignees=["ann"], notify=url))
    await until(lambda: heard)
    assert (heard[0]["id"], heard[0]["prompt"]) == (approval["id"], "May it go on?")
    link = "/api/v1/hooks/requests/" + heard[0]["respond_url"].rpartition("/")[2]
    anyone = callers.client()
    shown = (await anyone.get(link)).json()
    assert (shown["id"], shown["status"], shown["kind"]) == (approval["id"], "pending", "approval")
    assert (await anyone.post(link, json={"answer": 5})).status_code == 422
    assert (await anyone.post(link, json={"decision": "maybe"})).status_code == 422
    reply = await anyone.post(link, json={"decision": "approved", "reason": "by mail"})
    assert (reply.status_code, reply.json()["status"]) == (200, "approved"), reply.text
    assert (await anyone.post(link, json={"decision": "approved"})).status_code == 409
    done = await caller.reach(execution_id, "completed")
    assert (done["output_data"]["said"]["by"], done["output_data"]["said"]["reason"]) == ("link", "by mail")
    assert (await anyone.post(link[:-1], json={"decision": "approved"})).status_code == 404
    assert (await anyone.get("/api/v1/hooks/requests/none")).status_code == 404


async def test_nobody_in_time_asks_further_people(callers: Callers, listener, world) -> None:
    ann = await callers.new(user_id="ann")
    bob = await callers.new(ann.tenant, user_id="bob")
    url, heard = listener
    data = {"assignees": ["ann"], "notify": url, "escalate": {"after": 0.3, "assignees": ["bob"]}}
    execution_id, approval = await ask(ann, asking(**data))
    await until(lambda: len(heard) == 2)
    assert heard[1]["assignees"] == ["ann", "bob"] and heard[1]["escalated"]
    assert (heard[0]["escalated_to"], heard[1]["escalated_to"]) == ([], ["bob"])
    now = (await ann.http.get(f"{BASE}/approvals/{approval['id']}")).json()
    assert (now["status"], now["assignees"], now["escalated"]) == ("pending", ["ann", "bob"], True)
    assert (await respond(bob, approval["id"], decision="approved")).status_code == 200
    await ann.reach(execution_id, "completed")


async def test_further_people_do_not_shut_out_who_could_answer_before(callers: Callers, listener, world) -> None:
    ann = await callers.new(user_id="ann")
    url, heard = listener
    execution_id, approval = await ask(ann, asking(notify=url, escalate={"after": 0.3, "assignees": ["bob"]}))
    await until(lambda: len(heard) == 2)
    assert (heard[1]["assignees"], heard[1]["escalated_to"]) == ([], ["bob"])
    assert (await respond(ann, approval["id"], decision="approved")).status_code == 200
    await ann.reach(execution_id, "completed")


async def test_an_agents_call_of_a_tool_is_approved_with_other_arguments(caller: Caller, world) -> None:
    agent = node(
        "count", "agent", prompt="How much is 6 * 7?", tools=["calculate"], require_approval=["calculate"], output="n"
    )
    execution_id, approval = await ask(caller, sequence(agent, node("end", "end", output={"n": "state.n"})))
    assert (approval["tool_id"], approval["tool_name"]) == ("calculate", "calculate")
    assert "6 * 7" in approval["arguments"]["expression"]
    assert "expression" in approval["arguments_schema"]["properties"]
    pending = (await caller.http.get(f"{BASE}/approvals/pending?tool_name=calculate")).json()
    assert [each["id"] for each in pending["approvals"]] == [approval["id"]]
    wrong = await respond(caller, approval["id"], decision="approved", modified_arguments={"expression": 5})
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["body", "modified_arguments", "expression"]
    changed = {"expression": "6 * 8"}
    reply = await respond(caller, approval["id"], decision="approved", modified_arguments=changed)
    assert (reply.status_code, reply.json()["modified_arguments"]) == (200, changed)
    done = await caller.reach(execution_id, "completed")
    assert "48" in str(done["output_data"]["n"])
    stats = (await caller.http.get(f"{BASE}/approvals/tools/calculate/stats")).json()
    assert (stats["total"], stats["approved"], stats["modified"]) == (1, 1, 1)
    assert stats["median_seconds"] > 0
