"""Lineage, impact, differences, forks and compensations over the API."""

from __future__ import annotations

from graphs import noting, sequence
from served import Caller, Callers

UNDO = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}
GRAPH = sequence(noting("a"), noting("b", compensate=UNDO), noting("c"))


async def test_what_a_rollback_would_do_is_told_done_and_remembered(caller: Caller, world) -> None:
    started = await caller.start(GRAPH)
    done = await caller.reach(started["id"], "completed")
    path = f"/api/v1/executions/{started['id']}"
    a, b = done["checkpoints"][1]["id"], done["checkpoints"][2]["id"]

    told = (await caller.http.get(f"{path}/checkpoints/{a}/impact")).json()
    assert [v["node_id"] for v in told["runs_again"]] == ["b", "c"]
    assert [(e["what"], e["status"]) for e in told["effects"]] == [("note", "done"), ("note", "done")]
    assert [(c["node_id"], c["tool"], c["arguments"]) for c in told["compensations"]] == [
        ("b", "note", {"entry": "undo b"})
    ]
    assert [(n["node_id"], n["status"]) for n in told["not_undone"]] == [("c", "skipped")]
    assert (told["children"], told["checkpoint"]["id"]) == ([], a)

    reply = await caller.http.post(f"{path}/rollback", json={"checkpoint_id": a})
    assert (reply.status_code, reply.json()["status"]) == (200, "paused")
    undone = reply.json()["compensations"]
    assert [(c["node_id"], c["visit"], c["status"]) for c in undone] == [("c", 1, "skipped"), ("b", 1, "done")]

    lineage = (await caller.http.get(f"{path}/lineage")).json()
    (entry,) = lineage["resets"]
    assert (entry["kind"], entry["checkpoint_id"], entry["revision"]) == ("rollback", a, 1)
    assert (entry["compensations"], entry["run_id"]) == (undone, lineage["run_id"])
    assert entry["at"].endswith("Z")
    assert (await caller.http.get(f"{path}/checkpoints/{b}/impact")).status_code == 404


async def test_a_checkpoint_with_its_difference_to_another(caller: Caller, world) -> None:
    started = await caller.start(GRAPH)
    done = await caller.reach(started["id"], "completed")
    path = f"/api/v1/executions/{started['id']}/checkpoints"
    a, c = done["checkpoints"][1]["id"], done["checkpoints"][3]["id"]
    found = (await caller.http.get(f"{path}/{a}", params={"diff": c})).json()
    assert (found["diff"]["from_id"], found["diff"]["to_id"]) == (a, c)
    assert {(op["op"], op["path"]) for op in found["diff"]["patch"]} == {("add", "/outputs/b"), ("add", "/outputs/c")}
    assert [v["name"] for v in found["diff"]["completed"]] == ["b", "c"]
    assert (await caller.http.get(f"{path}/{a}")).json()["diff"] is None
    assert (await caller.http.get(f"{path}/{a}", params={"diff": "chk_unknown"})).status_code == 404


async def test_a_fork_sent_twice_is_one_execution(caller: Caller, world) -> None:
    started = await caller.start(GRAPH, metadata={"tag": "x"})
    done = await caller.reach(started["id"], "completed")
    path, body = f"/api/v1/executions/{started['id']}/fork", {"checkpoint_name": "b", "metadata": {"tag": "y"}}
    first, second = [await caller.http.post(path, json=body, headers={"Idempotency-Key": "fork-1"}) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert (first.json()["id"], second.headers["Idempotent-Replayed"]) == (second.json()["id"], "true")
    made = await caller.reach(first.json()["id"], "completed")
    assert made["forked_from"] == {"execution_id": started["id"], "checkpoint_id": done["checkpoints"][2]["id"]}
    assert (made["metadata"], made["version"]) == ({"tag": "y"}, done["version"])
    assert done["forked_from"] is None
    assert world.of(made["id"]) == ["c"]
    assert (await caller.get(started["id"]))["revision"] == 0
    lineage = (await caller.http.get(f"/api/v1/executions/{made['id']}/lineage")).json()
    assert (lineage["forked_from_execution_id"], lineage["resets"]) == (started["id"], [])


async def test_of_another_tenant_nothing_is_told_or_forked(callers: Callers, caller: Caller, world) -> None:
    started = await caller.start(GRAPH)
    done = await caller.reach(started["id"], "completed")
    a = done["checkpoints"][1]["id"]
    stranger = await callers.new()
    path = f"/api/v1/executions/{started['id']}"
    for reply in (
        await stranger.http.get(f"{path}/lineage"),
        await stranger.http.get(f"{path}/checkpoints/{a}/impact"),
        await stranger.http.get(f"{path}/checkpoints/{a}", params={"diff": a}),
        await stranger.http.post(f"{path}/fork", json={"checkpoint_id": a}),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "execution_not_found")
