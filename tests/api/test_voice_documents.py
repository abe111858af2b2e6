"""Workflows as documents: copies, counts, configuration, and what is refused of them."""

from __future__ import annotations

import asyncio

import pytest
from graphs import node, noting, sequence
from served import Caller, Callers

from cairn.contracts.json import JsonObject

BASE = "/api/v1/workflow"
CREATE = f"{BASE}/create/definition"
FETCH = f"{BASE}/fetch"


def voice(**trigger) -> JsonObject:
    """A voice graph with a trigger."""
    speaking = [
        {"id": "1", "type": "startCall", "data": {"name": "hi", "prompt": "Greet."}},
        {"id": "2", "type": "endCall", "data": {"name": "bye", "prompt": "Say goodbye."}},
    ]
    edges = [{"id": "e", "source": "1", "target": "2", "data": {"label": "done", "condition": "The caller is done."}}]
    return {"nodes": [*speaking, {"id": "t", "type": "trigger", "data": {"name": "t", **trigger}}], "edges": edges}


async def test_a_copy_is_a_draft_with_trigger_paths_of_its_own(caller: Caller) -> None:
    configuration = {"max_call_duration": 60, "ambient_noise_configuration": {"storage_key": "k"}, "own": [1]}
    body = {"name": "Agent", "definition": voice(), "configuration": configuration}
    made = (await caller.http.post(CREATE, json=body)).json()
    folder = (await caller.http.post("/api/v1/folder/", json={"name": "f"})).json()
    await caller.http.put(f"{BASE}/{made['id']}/folder", json={"folder_id": folder["id"]})
    copy = (await caller.http.post(f"{BASE}/{made['id']}/duplicate")).json()
    assert copy["workflow_id"] == copy["id"] != made["id"] and copy["uuid"] != made["uuid"]
    assert (copy["name"], copy["folder_id"]) == ("Agent (copy)", folder["id"])
    assert (copy["version_number"], copy["version_status"]) == (1, "draft")
    assert (copy["published_definition"], copy["errors"]) == (None, [])
    assert copy["configuration"] == configuration
    (own,), (theirs,) = copy["trigger_paths"], made["trigger_paths"]
    assert own and own != theirs
    assert copy["definition"] == {**voice(trigger_path=own), "nodes": voice(trigger_path=own)["nodes"]}
    # The draft, if there is one, and with its errors.
    await caller.http.put(f"{BASE}/{made['id']}", json={"definition": {"nodes": [], "edges": [], "mine": 1}})
    of_draft = (await caller.http.post(f"{BASE}/{made['uuid']}/duplicate")).json()
    assert of_draft["definition"] == {"nodes": [], "edges": [], "mine": 1}
    assert [error["message"] for error in of_draft["errors"]] == ["Workflow must have at least one Start Call"]
    assert (await caller.http.post(f"{BASE}/{copy['id']}/publish")).json()["version_status"] == "published"


async def test_counts_and_names(caller: Caller) -> None:
    ids = [(await caller.publish(sequence(noting("a")), name=name))["id"] for name in ("one", "two", "three")]
    await caller.http.put(f"{BASE}/{ids[1]}/status", json={"status": "archived"})
    assert (await caller.http.get(f"{BASE}/count")).json() == {"total": 3, "active": 2, "archived": 1}
    summary = (await caller.http.get(f"{BASE}/summary")).json()
    assert summary == [{"id": ids[2], "name": "three"}, {"id": ids[0], "name": "one"}]
    assert (await caller.http.get(f"{BASE}/summary?status=archived")).json() == [{"id": ids[1], "name": "two"}]
    assert [row["id"] for row in (await caller.http.get(f"{FETCH}?status=archived")).json()["workflows"]] == [ids[1]]
    assert (await caller.http.get(f"{BASE}/summary?status=asleep")).status_code == 422


async def test_others_and_the_other_mode_have_none_of_it(caller: Caller, callers: Callers) -> None:
    made = await caller.publish(sequence(noting("a")))
    path = f"{BASE}/{made['id']}"
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(f"{BASE}/count")).json() == {"total": 0, "active": 0, "archived": 0}
        assert (await other.http.get(f"{BASE}/summary")).json() == []
        for method, at, body in (
            ("get", f"{FETCH}/{made['uuid']}", None),
            ("put", path, {"name": "mine"}),
            ("put", f"{path}/status", {"status": "archived"}),
            ("put", f"{path}/folder", {"folder_id": None}),
            ("post", f"{path}/duplicate", None),
            ("post", f"{path}/validate", None),
            ("post", f"{path}/publish", None),
            ("post", f"{path}/create-draft", None),
            ("get", f"{path}/versions", None),
            ("get", f"{path}/versions/1", None),
        ):
            reply = await other.http.request(method, at, **({"json": body} if body is not None else {}))
            assert (reply.status_code, reply.json()["detail"]) == (404, "No such workflow."), (method, at)
    assert (await caller.http.get(f"{FETCH}/{made['id']}")).json()["name"] == made["name"]


async def test_variables_and_codes_are_taken_beside_the_configuration(caller: Caller) -> None:
    """As the public client sends them."""
    body = {"name": "n", "workflow_definition": voice(), "template_context_variables": {"company": "Acme"}}
    made = (await caller.http.post(CREATE, json=body)).json()
    assert made["template_context_variables"] == {"company": "Acme"}
    assert made["workflow_configurations"] == {"template_context_variables": {"company": "Acme"}}
    path = f"{BASE}/{made['id']}"
    changed = {"workflow_configurations": {"max_call_duration": 90}, "call_disposition_codes": {"codes": ["sale"]}}
    after = (await caller.http.put(path, json=changed)).json()
    assert after["template_context_variables"] == {"company": "Acme"}
    assert after["call_disposition_codes"] == {"codes": ["sale"]}
    assert after["configuration"]["max_call_duration"] == 90 and after["version_number"] == 1
    emptied = (await caller.http.put(path, json={"template_context_variables": None})).json()
    assert emptied["template_context_variables"] is None
    assert emptied["configuration"] == {"max_call_duration": 90, "call_disposition_codes": {"codes": ["sale"]}}
    assert (await caller.http.put(path, json={"template_context_variables": []})).status_code == 422


async def test_a_trigger_without_a_path_keeps_the_one_it_was_given(caller: Caller) -> None:
    made = (await caller.http.post(CREATE, json={"name": "n", "definition": voice()})).json()
    (given,) = made["trigger_paths"]
    saved = (await caller.http.put(f"{BASE}/{made['id']}", json={"definition": voice(enabled=False)})).json()
    assert saved["trigger_paths"] == [given]


async def test_two_editors_are_told_of_each_other(caller: Caller) -> None:
    made = await caller.publish(sequence(noting("a")))
    path = f"{BASE}/{made['id']}"
    edits = [{"definition": sequence(noting(name)), "expected_version": 1} for name in ("ann", "bob")]
    replies = await asyncio.gather(*(caller.http.put(path, json=edit) for edit in edits))
    assert sorted(reply.status_code for reply in replies) == [200, 409]
    refused = next(reply for reply in replies if reply.status_code == 409).json()
    assert (refused["expected_version"], refused["current_version"]) == (1, 2)
    assert refused["detail"] == "The workflow is at version 2, not 1." and refused["code"] == "stale_version"
    # Both at one draft: the version's number does not tell the edits apart, the revision does.
    revision = (await caller.http.get(f"{FETCH}/{made['id']}")).json()["revision"]
    edits = [{"definition": sequence(noting(name)), "expected_revision": revision} for name in ("ann", "bob")]
    replies = await asyncio.gather(*(caller.http.put(path, json=edit) for edit in edits))
    assert sorted(reply.status_code for reply in replies) == [200, 409]
    refused = next(reply for reply in replies if reply.status_code == 409).json()
    assert (refused["expected_revision"], refused["current_revision"]) == (revision, revision + 1)
    winner = next(reply for reply in replies if reply.status_code == 200).json()
    assert (await caller.http.get(f"{FETCH}/{made['id']}")).json()["definition"] == winner["definition"]


async def test_of_fifty_creates_with_one_trigger_path_one_is_made(caller: Caller) -> None:
    path = f"door-{caller.tenant}"
    body = {"name": "n", "definition": voice(trigger_path=path)}
    replies = await asyncio.gather(*(caller.http.post(CREATE, json=body) for _ in range(50)))
    assert sorted(reply.status_code for reply in replies) == [200] + [422] * 49
    for reply in replies:
        if reply.status_code == 422:
            (error,) = reply.json()["detail"]["errors"]
            assert (error["kind"], error["id"], error["field"]) == ("node", "t", "data.trigger_path")
            assert error["message"] == f"Trigger path '{path}' is already in use"
    assert (await caller.http.get(f"{BASE}/count")).json()["total"] == 1


@pytest.mark.parametrize("bad", ["a\nb", "\x00", "a\x7f", "../../etc", "a/../b", "x" * 256])
async def test_ids_that_could_do_harm_elsewhere_are_refused(caller: Caller, bad: str) -> None:
    for definition, loc in (
        ({"nodes": [node(bad, "start")]}, ["body", "definition", "nodes", 0, "id"]),
        ({"edges": [{"id": bad, "source": "a", "target": "b"}]}, ["body", "definition", "edges", 0, "id"]),
    ):
        reply = await caller.http.post(CREATE, json={"name": "n", "definition": definition})
        assert reply.status_code == 422, reply.text
        assert [error["loc"] for error in reply.json()["detail"]] == [loc]
    for unknown in ("%00", "..%2f..%2fetc", "a%0Ab", "-1", "1e3", "٣"):
        assert (await caller.http.get(f"{FETCH}/{unknown}")).status_code == 404


async def test_definitions_that_are_too_large_or_too_deep(caller: Caller) -> None:
    many = {"nodes": [{"id": str(number), "type": "x"} for number in range(10_001)]}
    reply = await caller.http.post(CREATE, json={"name": "n", "definition": many})
    assert reply.status_code == 422 and reply.json()["detail"][0]["loc"] == ["body", "definition", "nodes"]
    deep = b'{"name":"n","definition":{"nodes":' + b"[" * 10_000 + b"]" * 10_000 + b"}}"
    json_type = {"Content-Type": "application/json"}
    assert (await caller.http.post(CREATE, content=deep, headers=json_type)).status_code == 400
    huge = b'{"name":"n","definition":{"nodes":[]},"x":"' + b"x" * 50 * 2**20 + b'"}'
    reply = await caller.http.post(CREATE, content=huge, headers=json_type)
    assert (reply.status_code, reply.json()["code"]) == (413, "payload_too_large")
    assert (await caller.http.get(f"{BASE}/count")).json()["total"] == 0


async def test_tools_and_documents_that_a_node_names_have_to_exist(caller: Caller, callers: Callers) -> None:
    tool = {"name": "Sum", "category": "calculator", "definition": {"type": "calculator"}}
    own = (await caller.http.post("/api/v1/tools/", json=tool)).json()["tool_uuid"]
    theirs = (await (await callers.new()).http.post("/api/v1/tools/", json=tool)).json()["tool_uuid"]
    definition = voice()
    definition["nodes"][0]["data"] |= {"tool_uuids": [own, theirs, "\x00"], "document_uuids": ["none"]}
    made = (await caller.http.post(CREATE, json={"name": "n", "definition": definition})).json()
    assert {(error["id"], error["field"], error["message"]) for error in made["errors"]} == {
        ("1", "data.tool_uuids", f"Unknown tool: '{theirs}'"),
        ("1", "data.tool_uuids", "Unknown tool: '\x00'"),
        ("1", "data.tool_uuids.2", "An id can have neither control characters nor '../'"),
        ("1", "data.document_uuids", "Unknown document: 'none'"),
    }
    definition["nodes"][0]["data"] |= {"tool_uuids": [own], "document_uuids": []}
    saved = await caller.http.put(f"{BASE}/{made['id']}", json={"definition": definition})
    assert saved.json()["errors"] == []


async def test_a_copy_is_made_once_for_an_idempotency_key(caller: Caller) -> None:
    made = await caller.publish(sequence(noting("a")))
    key = {"Idempotency-Key": "copy"}
    first = await caller.http.post(f"{BASE}/{made['id']}/duplicate", headers=key)
    again = await caller.http.post(f"{BASE}/{made['id']}/duplicate", headers=key)
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
    assert (await caller.http.get(f"{BASE}/count")).json()["total"] == 2
