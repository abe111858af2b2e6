"""The voice surface: agent graphs from definition to published version."""

from __future__ import annotations

import pytest
from graphs import node, noting, sequence
from served import Caller, Callers

FETCH = "/api/v1/workflow/fetch"
CREATE = "/api/v1/workflow/create/definition"

VOICE_GRAPH = {
    "nodes": [
        {"id": "1", "type": "startCall", "position": {"x": 1, "y": 2}, "data": {"name": "hi", "prompt": "Greet."}},
        {"id": "2", "type": "endCall", "position": {"x": 3, "y": 4}, "data": {"name": "bye", "prompt": "Say goodbye."}},
    ],
    "edges": [{"id": "e", "source": "1", "target": "2", "data": {"label": "done", "condition": "The caller is done."}}],
    "viewport": {"x": 0, "y": 0, "zoom": 1},
    "editor": {"kept": True},
}


async def test_a_valid_definition_is_published_at_once_under_both_names(caller: Caller) -> None:
    reply = await caller.http.post(CREATE, json={"name": "  Agent  ", "definition": VOICE_GRAPH})
    assert reply.status_code == 200, reply.text
    made = reply.json()
    assert (made["version_number"], made["version_status"], made["errors"]) == (1, "published", [])
    assert made["name"] == made["workflow_name"] == "Agent"
    assert made["id"] == made["workflow_id"] and isinstance(made["id"], int)
    assert made["uuid"] == made["workflow_uuid"]
    assert made["definition"] == made["workflow_definition"] == made["published_definition"] == VOICE_GRAPH
    assert made["configuration"] == made["workflow_configurations"] == {}
    assert (made["status"], made["node_count"], made["total_runs"], made["folder_id"]) == ("active", 2, 0, None)
    assert made["trigger_paths"] == [] and isinstance(made["current_definition_id"], int)
    for named in (made["id"], made["uuid"]):
        read = (await caller.http.get(f"{FETCH}/{named}")).json()
        assert read == {key: value for key, value in made.items() if key not in ("errors", "warnings")}


async def test_both_names_are_taken_but_not_with_two_values(caller: Caller) -> None:
    configuration = {"max_call_duration": 60, "own": [1]}
    body = {"name": "n", "workflow_definition": VOICE_GRAPH, "workflow_configurations": configuration}
    made = (await caller.http.post(CREATE, json=body)).json()
    assert made["definition"] == VOICE_GRAPH and made["configuration"] == configuration
    reply = await caller.http.post(CREATE, json={**body, "definition": {**VOICE_GRAPH, "editor": {}}})
    assert reply.status_code == 422


async def test_a_label_is_demanded_when_a_voice_graph_is_made_changed_and_validated(caller: Caller) -> None:
    (edge,) = VOICE_GRAPH["edges"]
    unlabelled = {**VOICE_GRAPH, "edges": [{**edge, "data": {"condition": "The caller is done."}}]}
    wanted = {"kind": "edge", "id": "e", "field": "data.label", "message": "Label is required"}
    made = (await caller.http.post(CREATE, json={"name": "n", "definition": unlabelled})).json()
    assert (made["errors"], made["version_status"]) == ([wanted], "draft")
    path = f"/api/v1/workflow/{made['id']}"
    assert (await caller.http.put(path, json={"definition": VOICE_GRAPH})).json()["errors"] == []
    assert (await caller.http.put(path, json={"definition": unlabelled})).json()["errors"] == [wanted]
    validated = (await caller.http.post(f"{path}/validate")).json()
    assert (validated["is_valid"], validated["errors"]) == (False, [wanted])
    refused = await caller.http.post(f"{path}/publish")
    assert refused.status_code == 422 and refused.json()["detail"]["errors"] == [wanted]


async def test_an_invalid_definition_becomes_a_draft_with_all_its_errors(caller: Caller) -> None:
    broken = {
        "nodes": [
            {"id": "1", "type": "startCall", "data": {"name": "hi", "prompt": " "}},
            {"id": "2", "type": "foo", "data": {"name": "x"}},
        ],
        "edges": [{"id": "e", "source": "2", "target": "1", "data": {"label": "l", "condition": "c"}}],
    }
    made = (await caller.http.post(CREATE, json={"name": "n", "definition": broken})).json()
    assert (made["version_status"], made["published_definition"]) == ("draft", None)
    found = {(error["kind"], error["id"], error["field"], error["message"]) for error in made["errors"]}
    assert ("node", "1", "data.prompt", "Prompt is required") in found
    messages = {error["message"] for error in made["errors"]}
    assert {"Start Call cannot have incoming edges", "Unknown node type: 'foo'"} <= messages
    path = f"/api/v1/workflow/{made['id']}"
    checked = (await caller.http.post(f"{path}/validate")).json()
    assert checked["is_valid"] is False and checked["errors"] == made["errors"]
    refused = await caller.http.post(f"{path}/publish")
    assert refused.status_code == 422
    assert refused.json()["detail"]["is_valid"] is False
    assert refused.json()["detail"]["errors"] == made["errors"]


async def test_a_change_makes_a_draft_that_is_published_when_told(caller: Caller) -> None:
    made = (await caller.http.post(CREATE, json={"name": "n", "definition": VOICE_GRAPH})).json()
    path = f"/api/v1/workflow/{made['id']}"
    renamed = (await caller.http.put(path, json={"name": "m"})).json()
    assert (renamed["name"], renamed["version_number"], renamed["version_status"]) == ("m", 1, "published")
    nothing = await caller.http.post(f"{path}/publish")
    assert (nothing.status_code, nothing.json()["detail"]) == (400, "No draft to publish")
    changed = {**VOICE_GRAPH, "editor": {"kept": False}}
    draft = (await caller.http.put(path, json={"definition": changed, "expected_version": 1})).json()
    assert (draft["version_number"], draft["version_status"]) == (2, "draft")
    assert draft["definition"] == changed and draft["published_definition"] == VOICE_GRAPH
    stale = await caller.http.put(path, json={"definition": changed, "expected_version": 1})
    assert stale.status_code == 409 and isinstance(stale.json()["detail"], str)
    published = (await caller.http.post(f"{path}/publish")).json()
    assert (published["version_number"], published["version_status"]) == (2, "published")
    assert published["published_definition"] == changed


async def test_the_list_has_a_row_for_each_workflow_of_a_status(caller: Caller) -> None:
    ids = [
        (await caller.publish(sequence(node("t", "transform", set={"k": "1"}), state={"k": {}})))["id"] for _ in "ab"
    ]
    rows = (await caller.http.get(FETCH)).json()["workflows"]
    assert [row["id"] for row in rows] == ids[::-1]
    documented = {"id", "name", "uuid", "status", "created_at", "updated_at", "node_count"}
    assert documented <= rows[0].keys() and "definition" not in rows[0]
    assert (await caller.http.get(f"{FETCH}?status=archived")).json() == {"workflows": []}
    assert len((await caller.http.get(f"{FETCH}?status=all")).json()["workflows"]) == 2


async def test_the_views_of_voice(caller: Caller) -> None:
    made = await caller.publish(VOICE_GRAPH)
    for path in ("/workflow/fetch", "/voice/api/v1/workflow/fetch", "/voice/workflow/fetch"):
        assert [row["id"] for row in (await caller.http.get(path)).json()["workflows"]] == [made["id"]], path
    rows = (await caller.http.get("/dograh/api/v1/workflow/fetch")).json()
    assert [(row["id"], row["total_runs"]) for row in rows] == [(made["id"], 0)]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": "n"}, ["body", "definition"]),
        ({"definition": VOICE_GRAPH}, ["body", "name"]),
        ({"name": 5, "definition": VOICE_GRAPH}, ["body", "name"]),
        ({"name": "n", "definition": []}, ["body", "definition"]),
        ({"name": "n", "definition": {"nodes": [{"id": "1"}]}}, ["body", "definition", "nodes", 0, "type"]),
        (
            {"name": "n", "definition": VOICE_GRAPH, "configuration": {"max_call_duration": 1201}},
            ["body", "configuration", "max_call_duration"],
        ),
        (
            {"name": "n", "definition": VOICE_GRAPH, "configuration": {"max_user_idle_timeout": 1e300}},
            ["body", "configuration", "max_user_idle_timeout"],
        ),
    ],
)
async def test_a_malformed_body_names_the_value(caller: Caller, body, loc) -> None:
    reply = await caller.http.post(CREATE, json=body)
    assert reply.status_code == 422
    assert loc in [error["loc"] for error in reply.json()["detail"]]


async def test_a_trigger_path_belongs_to_one_graph(caller: Caller, callers: Callers) -> None:
    trigger = {"id": "t", "type": "trigger", "data": {"name": "t", "trigger_path": "mine"}}
    graph = {
        "nodes": [*VOICE_GRAPH["nodes"], trigger],
        "edges": [
            *VOICE_GRAPH["edges"],
            {"id": "f", "source": "t", "target": "2", "data": {"label": "x", "condition": "c"}},
        ],
    }
    made = (await caller.http.post(CREATE, json={"name": "n", "definition": graph})).json()
    assert made["trigger_paths"] == ["mine"]
    other = await callers.new()
    reply = await other.http.post(CREATE, json={"name": "n", "definition": graph})
    assert reply.status_code == 422 and "mine" in reply.text


async def test_an_execution_stays_on_its_version(caller: Caller, world) -> None:
    made = await caller.publish(sequence(noting("a")))
    started = (await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]})).json()
    path = f"/api/v1/workflow/{made['id']}"
    assert (await caller.http.put(path, json={"definition": sequence(noting("b"))})).status_code == 200
    assert (await caller.http.post(f"{path}/publish")).status_code == 200
    await caller.reach(started["id"], "completed")
    again = (await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]})).json()
    await caller.reach(again["id"], "completed")
    assert (started["version"], again["version"]) == (1, 2)
    assert (world.of(started["id"]), world.of(again["id"])) == (["a"], ["b"])
    assert (await caller.http.get(f"{FETCH}/{made['id']}")).json()["total_runs"] == 2
