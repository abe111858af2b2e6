"""Versions of workflows: history, drafts, publishing, archiving."""

from __future__ import annotations

import asyncio

from graphs import noting, sequence, waiting
from installation import until
from served import Caller

from cairn.contracts.json import JsonObject

BASE = "/api/v1/workflow"
FETCH = f"{BASE}/fetch"


async def change(caller: Caller, path: str, definition: JsonObject, *, publish: bool = False) -> None:
    assert (await caller.http.put(path, json={"definition": definition})).status_code == 200
    if publish:
        assert (await caller.http.post(f"{path}/publish")).status_code == 200


async def statuses(caller: Caller, path: str, query: str = "") -> list[tuple[int, str]]:
    reply = await caller.http.get(f"{path}/versions{query}")
    assert reply.status_code == 200, reply.text
    return [(version["version"], version["status"]) for version in reply.json()["versions"]]


async def test_the_history_is_told_newest_first(caller: Caller) -> None:
    made = await caller.publish(sequence(noting("a")))
    path = f"{BASE}/{made['id']}"
    await change(caller, path, sequence(noting("b")), publish=True)
    await change(caller, path, sequence(noting("c"), noting("d")))
    history = (await caller.http.get(f"{path}/versions")).json()
    assert history["total"] == 3
    newest, published, oldest = history["versions"]
    assert [entry["is_current_published"] for entry in history["versions"]] == [False, True, False]
    assert [(entry["version_number"], entry["version_status"]) for entry in history["versions"]] == [
        (3, "draft"),
        (2, "published"),
        (1, "archived"),
    ]
    assert [entry["node_count"] for entry in history["versions"]] == [4, 3, 3]
    assert (newest["published_at"], newest["author"]) == (None, published["author"]) and newest["author"]
    assert oldest["created_at"].endswith("Z") and oldest["published_at"] <= published["published_at"]
    assert oldest["id"] == made["current_definition_id"] and "definition" not in oldest
    one = (await caller.http.get(f"{path}/versions/1")).json()
    assert one == {**oldest, "definition": sequence(noting("a"))}
    for unknown in ("4", "0", "-1", "x", "9" * 30, "1.0"):
        assert (await caller.http.get(f"{path}/versions/{unknown}")).status_code == 404, unknown


async def test_the_history_has_pages_that_new_versions_do_not_shift(caller: Caller) -> None:
    path = f"{BASE}/{(await caller.publish(sequence(noting('a'))))['id']}"
    for name in ("b", "c", "d"):
        await change(caller, path, sequence(noting(name)), publish=True)
    first = (await caller.http.get(f"{path}/versions?limit=2")).json()
    assert ([entry["version"] for entry in first["versions"]], first["total"]) == ([4, 3], 4)
    await change(caller, path, sequence(noting("e")))
    second = (await caller.http.get(f"{path}/versions?limit=2&offset=2&anchor={first['anchor']}")).json()
    assert ([entry["version"] for entry in second["versions"]], second["total"]) == ([2, 1], 4)
    assert await statuses(caller, path, "?offset=4") == [(1, "archived")]
    assert await statuses(caller, path, "?offset=50") == []
    for bad in ("limit=0", "limit=101", "offset=-1", "limit=x", "anchor=0"):
        assert (await caller.http.get(f"{path}/versions?{bad}")).status_code == 422, bad


async def test_a_draft_is_made_once(caller: Caller) -> None:
    made = await caller.publish(sequence(noting("a")))
    path = f"{BASE}/{made['id']}"
    draft = (await caller.http.post(f"{path}/create-draft")).json()
    assert (draft["version_number"], draft["version_status"]) == (2, "draft")
    assert draft["definition"] == draft["published_definition"] == made["definition"]
    await change(caller, path, sequence(noting("b")))
    again = (await caller.http.post(f"{path}/create-draft")).json()
    assert (again["current_definition_id"], again["definition"]) == (
        draft["current_definition_id"],
        sequence(noting("b")),
    )
    assert await statuses(caller, path) == [(2, "draft"), (1, "published")]
    replies = await asyncio.gather(*(caller.http.post(f"{path}/create-draft") for _ in range(8)))
    assert {reply.json()["current_definition_id"] for reply in replies} == {draft["current_definition_id"]}


async def test_archived_workflows_start_nothing_and_what_runs_goes_on(caller: Caller, world) -> None:
    made = await caller.publish(sequence(waiting(gate := f"gate-{caller.tenant}")))
    path = f"{BASE}/{made['id']}"
    running = (await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]})).json()
    await until(lambda: world.waiting[gate])
    archived = (await caller.http.put(f"{path}/status", json={"status": "archived"})).json()
    assert (archived["status"], archived["version_status"]) == ("archived", "published")
    refused = await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_archived")
    world.gate(gate).set()
    await caller.reach(running["id"], "completed")
    active = (await caller.http.put(f"{path}/status", json={"status": "active"})).json()
    assert (active["status"], active["version_number"]) == ("active", 1)
    again = await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]})
    assert again.status_code == 201
    await caller.reach(again.json()["id"], "completed")


async def test_active_publishes_a_valid_draft_when_nothing_is_published(caller: Caller) -> None:
    body = {"name": "n", "definition": {"nodes": [], "edges": []}}
    made = (await caller.http.post(f"{BASE}/create/definition", json=body)).json()
    path = f"{BASE}/{made['id']}"
    await caller.http.put(f"{path}/status", json={"status": "archived"})
    refused = await caller.http.put(f"{path}/status", json={"status": "active"})
    assert refused.status_code == 422
    assert refused.json()["detail"] == {"is_valid": False, "errors": made["errors"], "warnings": []}
    assert (await caller.http.get(f"{FETCH}/{made['id']}")).json()["status"] == "archived"
    await change(caller, path, sequence(noting("a")))
    active = (await caller.http.put(f"{path}/status", json={"status": "active"})).json()
    assert (active["status"], active["version_number"], active["version_status"]) == ("active", 1, "published")
    assert (await caller.http.put(f"{path}/status", json={"status": "draft"})).status_code == 422


async def test_runs_that_start_while_versions_are_published_are_each_on_one(caller: Caller, world) -> None:
    made = await caller.publish(sequence(noting("1")))
    path = f"{BASE}/{made['id']}"

    async def publish() -> None:
        for number in range(2, 7):
            await change(caller, path, sequence(noting(str(number))), publish=True)

    async def start() -> list[JsonObject]:
        replies = []
        while not publishing.done() or not replies:
            replies.append(await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]}))
        assert {reply.status_code for reply in replies} == {201}, [reply.text for reply in replies]
        return [reply.json() for reply in replies]

    publishing = asyncio.create_task(publish())
    started = [run for runs in await asyncio.gather(start(), start()) for run in runs]
    await publishing
    for run in started:
        await caller.reach(run["id"], "completed")
        assert world.of(run["id"]) == [str(run["version"])]
    assert (await caller.http.get(f"{FETCH}/{made['id']}")).json()["total_runs"] == len(started)
    assert await statuses(caller, path) == [(6, "published"), *((number, "archived") for number in range(5, 0, -1))]
