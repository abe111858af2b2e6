"""Folders of workflows."""

from __future__ import annotations

import asyncio

import pytest
from graphs import noting, sequence
from served import Caller, Callers

FOLDER = "/api/v1/folder/"
WORKFLOW = "/api/v1/workflow"


async def test_folders_are_made_named_and_listed_by_name(caller: Caller) -> None:
    made = (await caller.http.post(FOLDER, json={"name": "  support "})).json()
    assert made.keys() == {"id", "name", "created_at"} and made["name"] == "support"
    assert made["created_at"].endswith("Z")
    other = (await caller.http.post("/api/v1/folder", json={"name": "Billing"})).json()
    assert (await caller.http.get(FOLDER)).json() == [other, made] == (await caller.http.get("/api/v1/folder")).json()
    renamed = await caller.http.put(f"{FOLDER}{made['id']}", json={"name": "Accounts"})
    assert renamed.json() == {**made, "name": "Accounts"}
    assert [folder["name"] for folder in (await caller.http.get(FOLDER)).json()] == ["Accounts", "Billing"]


async def test_a_name_is_taken_once(caller: Caller, callers: Callers) -> None:
    replies = await asyncio.gather(*(caller.http.post(FOLDER, json={"name": "one"}) for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 4
    two = (await caller.http.post(FOLDER, json={"name": "two"})).json()
    refused = await caller.http.put(f"{FOLDER}{two['id']}", json={"name": "one "})
    assert (refused.status_code, refused.json()["detail"]) == (409, "There is a folder with the name 'one'.")
    assert (await caller.http.put(f"{FOLDER}{two['id']}", json={"name": "two"})).status_code == 200
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.post(FOLDER, json={"name": "one"})).status_code == 200


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", 5, None])
async def test_a_bad_name_is_refused(caller: Caller, name: object) -> None:
    reply = await caller.http.post(FOLDER, json={"name": name})
    assert reply.status_code == 422 and reply.json()["detail"][0]["loc"] == ["body", "name"]
    assert (await caller.http.post(FOLDER, json={"name": "x" * 100})).status_code == 200


@pytest.mark.parametrize(
    ("path", "longest", "more"),
    [
        (FOLDER, 100, {}),
        (f"{WORKFLOW}/create/definition", 255, {"definition": {"nodes": [], "edges": []}}),
        (f"{WORKFLOW}/templates/duplicate", 255, {"template_id": "inbound-support"}),
        ("/api/v1/credentials/", 255, {"credential_type": "none", "credential_data": {}}),
        ("/api/v1/tools/", 255, {"definition": {"schema_version": 1, "type": "calculator"}}),
    ],
)
async def test_names_are_measured_without_the_blanks_around_them(
    caller: Caller, path: str, longest: int, more: dict[str, object]
) -> None:
    async def send(name: str) -> tuple[int, str]:
        reply = await caller.http.post(path, json={"name": name, **more})
        return reply.status_code, reply.text

    status, text = await send(f"  {'x' * longest}\u3000 ")
    assert status == 200 and f'"{"x" * longest}"' in text, text
    status, text = await send("y" * (longest + 1))
    assert status == 422 and f"String should have at most {longest} characters" in text, text
    assert [(await send(name))[0] for name in ("", "  ", "a\nb", "a\n")] == [422] * 4


async def test_workflows_are_put_into_folders_and_left_when_one_is_deleted(caller: Caller) -> None:
    made = await caller.publish(sequence(noting("a")))
    path = f"{WORKFLOW}/{made['id']}"
    folder = (await caller.http.post(FOLDER, json={"name": "f"})).json()
    moved = (await caller.http.put(f"{path}/folder", json={"folder_id": folder["id"]})).json()
    assert moved["folder_id"] == folder["id"] and moved["version_number"] == 1
    (row,) = (await caller.http.get(f"{WORKFLOW}/fetch")).json()["workflows"]
    assert row["folder_id"] == folder["id"]
    assert (await caller.http.put(f"{path}/folder", json={"folder_id": None})).json()["folder_id"] is None
    await caller.http.put(f"{path}/folder", json={"folder_id": folder["id"]})
    gone = await caller.http.delete(f"{FOLDER}{folder['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await caller.http.get(f"{WORKFLOW}/fetch/{made['id']}")).json()["folder_id"] is None
    assert (await caller.http.delete(f"{FOLDER}{folder['id']}")).status_code == 404
    refused = await caller.http.put(f"{path}/folder", json={"folder_id": folder["id"]})
    assert (refused.status_code, refused.json()["detail"]) == (404, "No such folder.")
    for body in ({}, {"folder_id": "5"}, {"folder_id": 0}, {"folder_id": 1.5}):
        assert (await caller.http.put(f"{path}/folder", json=body)).status_code == 422, body


async def test_folders_of_others_do_not_exist(caller: Caller, callers: Callers) -> None:
    folder = (await caller.http.post(FOLDER, json={"name": "mine"})).json()
    at = f"{FOLDER}{folder['id']}"
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        made = await other.publish(sequence(noting("a")))
        moved = await other.http.put(f"{WORKFLOW}/{made['id']}/folder", json={"folder_id": folder["id"]})
        replies = [moved, await other.http.put(at, json={"name": "x"}), await other.http.delete(at)]
        assert [reply.status_code for reply in replies] == [404] * 3
        assert (await other.http.get(FOLDER)).json() == []
    for unknown in ("x", "-1", "9" * 30, "%00", "..%2f1"):
        assert (await caller.http.delete(f"{FOLDER}{unknown}")).status_code == 404
    assert (await caller.http.get(FOLDER)).json() == [folder]


async def test_moving_and_deleting_at_once_leaves_no_workflow_in_a_folder_that_is_gone(caller: Caller) -> None:
    ids = [(await caller.publish(sequence(noting("a"))))["id"] for _ in range(4)]
    folder = (await caller.http.post(FOLDER, json={"name": "f"})).json()
    moves = [caller.http.put(f"{WORKFLOW}/{one}/folder", json={"folder_id": folder["id"]}) for one in ids]
    *moved, deleted = await asyncio.gather(*moves, caller.http.delete(f"{FOLDER}{folder['id']}"))
    assert deleted.status_code == 204 and {reply.status_code for reply in moved} <= {200, 404}
    rows = (await caller.http.get(f"{WORKFLOW}/fetch")).json()["workflows"]
    assert [row["folder_id"] for row in rows] == [None] * 4
