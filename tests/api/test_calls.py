"""Calls over HTTP: triggers, turns with their answers, the live events, and the row that is left."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import datetime

import pytest
from graphs import node, sequence
from phone import PATIENT, pizzeria, speaker
from served import Caller, Callers

from cairn.contracts.json import JsonObject


def triggered(path: str, **data) -> JsonObject:
    return pizzeria({"id": "line", "type": "trigger", "data": {"name": "line", "trigger_path": path, **data}})


def new_path() -> str:
    return uuid.uuid4().hex


async def authored(caller: Caller, definition: JsonObject) -> JsonObject:
    body = {"name": "Pizzeria", "definition": definition, "configuration": PATIENT}
    reply = await caller.http.post("/api/v1/workflow/create/definition", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def dial(caller: Caller, path: str, key: str | None = None, test: bool = False, **body):
    headers = {"Idempotency-Key": key} if key else {}
    url = f"/api/v1/public/agent/{'test/' if test else ''}{path}"
    return await caller.http.post(url, json=body, headers=headers)


async def say(caller: Caller, execution_id: str, text: str, name: str = "utterance", **params) -> JsonObject:
    body = {"name": name, "payload": {"text": text}}
    url = f"/api/v1/executions/{execution_id}/events"
    reply = await caller.http.post(url, json=body, params={"wait": True, "timeout": 60, **params})
    assert reply.status_code == 202, reply.text
    return reply.json()["reply"]


async def test_a_call_from_the_trigger_to_its_end(caller: Caller, callers: Callers) -> None:
    path = new_path()
    definition = triggered(path)
    definition["nodes"].append(speaker("review", "qa", qa_min_call_duration=0))
    workflow = await authored(caller, definition)
    made = [
        await dial(caller, path, key="k", phone_number="+4930123", initial_context={"guest": {"name": "Ada"}})
        for _ in range(2)
    ]
    assert made[0].status_code == 200, made[0].text
    assert made[0].json() == made[1].json()
    begun = made[0].json()
    assert begun["status"] == "initiated"
    assert begun["workflow_run_name"].startswith("Pizzeria ")
    run = begun["workflow_run_id"]
    reply = await say(caller, run, "I would like to order")
    assert reply["text"].startswith("One moment.\nOffline answer")
    assert (reply["node_id"], reply["turn"], reply["ended"]) == ("order", 1, False)
    await say(caller, run, "2 pizzas. My name is Grace.")
    last = await say(caller, run, "I am finished")
    assert (last["ended"], last["disposition"]) == (True, "completed")
    done = await caller.reach(run, "completed")
    assert done["input_data"] == {"guest": {"name": "Ada"}, "phone_number": "+4930123"}
    assert done["call"]["variables"] == {"pizzas": 2, "name": "Grace"}
    assert done["call"]["transcript"][0]["text"] == "Welcome to the pizzeria, Ada!"
    assert done["call"]["ended"]
    report = await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")
    (row,) = csv.DictReader(io.StringIO(report.text, newline=""))
    assert (row["Run ID"], row["Campaign ID"], row["Agent ID"]) == (run, "", str(workflow["id"]))
    assert row["Agent Definition ID"] == str(workflow["current_definition_id"])
    assert datetime.fromisoformat(row["Created At"]) == datetime.fromisoformat(done["created_at"])
    assert (row["Phone Number"], row["Call Disposition"]) == ("'+4930123", "completed")
    assert float(row["Call Duration (s)"]) == pytest.approx(done["call"]["duration_seconds"])
    assert (row["pizzas"], row["name"]) == ("2", "Grace")
    assert row["Call Tags"] and row["Transcript Summary"]  # the review's
    assert row["Recording URL"] == ""  # sound is the gateway's
    assert row["Transcript URL"].startswith(f"{callers.settings.links}/")
    shown = await caller.http.get(row["Transcript URL"].removeprefix(callers.settings.links))
    assert shown.json()["call"]["transcript"] == done["call"]["transcript"]


async def test_the_live_events_tell_what_is_said(caller: Caller) -> None:
    path = new_path()
    await authored(caller, triggered(path))
    run = (await dial(caller, path)).json()["workflow_run_id"]
    await say(caller, run, "Hello?")
    await say(caller, run, "", name="hangup")
    await caller.reach(run, "completed")
    told = (await caller.http.get(f"/api/v1/executions/{run}/events")).text.splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in told if line.startswith("data: ")]
    lines = [line["text"] for event in events if event["type"] == "transcript" for line in event["data"]["lines"]]
    assert lines[:2] == ["Welcome to the pizzeria, dear guest!", "Hello?"]
    assert lines[2].startswith("Offline answer")
    ends = [
        event["data"]["disposition"] for event in events if event["type"] == "transcript" and event["data"]["ended"]
    ]
    assert ends == ["user_hangup"]
    assert "".join(e["data"]["text"] for e in events if e["type"] == "token") == lines[2]
    seqs = [event["seq"] for event in events if event["type"] != "token"]
    assert seqs == sorted(set(seqs))


async def test_a_call_is_rolled_back_to_a_turn_and_goes_another_way(caller: Caller) -> None:
    path = new_path()
    workflow = await authored(caller, triggered(path))
    run = (await dial(caller, path)).json()["workflow_run_id"]
    await say(caller, run, "Hello?")
    assert (await say(caller, run, "I would like to order"))["node_id"] == "order"
    await say(caller, run, "I am finished")
    await caller.reach(run, "completed")
    url = f"/api/v1/executions/{run}"
    reset = await caller.http.post(f"{url}/rollback", json={"checkpoint_name": "turn 1"})
    assert reset.status_code == 200, reset.text
    back = await caller.get(run)
    assert (back["status"], back["call"]["turn"], back["call"]["ended"]) == ("paused", 1, False)
    assert [line["turn"] for line in back["call"]["transcript"]] == [0, 1, 1]
    assert (await caller.http.post(f"{url}/resume")).status_code == 200
    other = await say(caller, run, "Rather reserve a table")
    assert (other["node_id"], other["turn"]) == ("table", 2)
    await say(caller, run, "", name="hangup")
    done = await caller.reach(run, "completed")
    assert [line["node_id"] for line in done["call"]["transcript"]][-1] == "table"
    report = await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")
    assert report.text.count(f"\n{run},") == 1
    assert "user_hangup" in report.text
    replayed = await caller.http.post(f"{url}/replay", json={"checkpoint_name": "turn 2"})
    assert replayed.status_code == 200, replayed.text
    assert (await say(caller, run, "I am finished"))["disposition"] == "completed"


async def test_a_draft_is_tried_by_its_own_path(caller: Caller) -> None:
    path, other = new_path(), new_path()
    workflow = await authored(caller, triggered(path))
    changed = await caller.http.put(f"/api/v1/workflow/{workflow['id']}", json={"definition": triggered(other)})
    assert changed.status_code == 200, changed.text
    assert (await dial(caller, other)).status_code == 404
    tried = await dial(caller, other, test=True)
    assert tried.status_code == 200, tried.text
    assert (await caller.get(tried.json()["workflow_run_id"]))["version"] == 2
    assert (await dial(caller, path, test=True)).status_code == 404
    assert (await dial(caller, path)).status_code == 200
    assert (await caller.http.post(f"/api/v1/public/agent/{path}")).status_code == 200  # every member is optional


async def test_what_triggers_refuse(callers: Callers) -> None:
    caller, stranger = await callers.new(), await callers.new()
    path, off = new_path(), new_path()
    workflow = await authored(caller, triggered(path))
    await authored(caller, triggered(off, enabled=False))
    unknown = await dial(caller, new_path())
    foreign = await dial(stranger, path)
    assert unknown.status_code == foreign.status_code == 404
    assert unknown.json()["detail"] == foreign.json()["detail"] == "No such trigger."
    disabled = await dial(caller, off)
    assert (disabled.status_code, disabled.json()["detail"]) == (409, "The trigger is disabled.")
    for number in ("030123", "+0123", "+49 30", "+" + "1" * 16, 5):
        assert (await dial(caller, path, phone_number=number)).status_code == 422
    assert (await dial(caller, path, initial_context=[])).status_code == 422
    assert (
        await caller.http.post(f"/api/v1/public/agent/{path}", json={}, headers={"X-API-Key": "no"})
    ).status_code == 401
    await caller.http.put(f"/api/v1/workflow/{workflow['id']}/status", json={"status": "archived"})
    for test in (False, True):
        archived = await dial(caller, path, test=test)
        assert (archived.status_code, archived.json()["detail"]) == (409, "The workflow is archived.")


async def test_a_context_that_breaks_the_graphs_schema_starts_nothing(caller: Caller) -> None:
    path = new_path()
    known = {"order": {"type": "integer"}, "phone_number": {"type": "string", "maxLength": 8}}
    schema = {"type": "object", "properties": known, "required": ["order"]}
    workflow = await authored(caller, {**triggered(path), "input_schema": schema})
    for test, context in ((False, {"order": "seven"}), (True, {"order": "seven"}), (False, {})):
        refused = await dial(caller, path, test=test, initial_context=context)
        assert refused.status_code == 422, refused.text
        (error,) = refused.json()["detail"]
        assert error["loc"] == ["body", "initial_context", *context], error
    assert (await caller.http.get(f"/api/v1/workflow/fetch/{workflow['id']}")).json()["total_runs"] == 0
    number = await dial(caller, path, initial_context={"order": 7}, phone_number="+49301234567")
    assert (number.status_code, number.json()["detail"][0]["loc"]) == (422, ["body", "phone_number"])
    begun = await dial(caller, path, initial_context={"order": 7}, phone_number="+4930123")
    assert begun.status_code == 200, begun.text


async def test_a_graph_that_was_never_published_is_not_started(caller: Caller) -> None:
    path = new_path()
    broken = triggered(path)
    broken["nodes"].append(speaker("lonely"))
    assert (await authored(caller, broken))["version_status"] == "draft"
    refused = await dial(caller, path)
    assert (refused.status_code, refused.json()["detail"]) == (409, "The workflow has no published version.")
    invalid = await dial(caller, path, test=True)
    assert invalid.status_code == 422
    assert not invalid.json()["detail"]["is_valid"]


async def test_only_a_call_answers_and_only_to_words(caller: Caller) -> None:
    body, params = {"name": "utterance", "payload": {"text": "hi"}}, {"wait": True}
    run = await caller.start(sequence(node("wait", "wait", event={"name": "utterance"})))
    refused = await caller.http.post(f"/api/v1/executions/{run['id']}/events", json=body, params=params)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_call")
    call = await caller.start(pizzeria())
    url = f"/api/v1/executions/{call['id']}/events"
    for payload in (None, {}, {"text": " "}, {"text": 5}, "hi"):
        wrong = await caller.http.post(url, json={**body, "payload": payload}, params=params)
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/payload/text")
    other = await caller.http.post(url, json={"name": "paid"}, params=params)
    assert (other.status_code, other.json()["code"]) == (409, "no_answer")
    assert (await caller.http.post(url, json=body, params={**params, "timeout": 61})).status_code == 422


async def test_an_answer_that_takes_longer_than_one_waits_comes_all_the_same(caller: Caller) -> None:
    workflow = await authored(caller, pizzeria(delayed_start=True, delayed_start_duration=1))
    run = await caller.http.post("/api/v1/executions", json={"workflow_id": workflow["uuid"]})
    run_id = run.json()["id"]
    assert await say(caller, run_id, "Hello?", timeout=0.1) is None
    assert (await say(caller, run_id, "Anybody?"))["turn"] == 2
