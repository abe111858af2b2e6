"""Workflows and executions as pictures, and differences of versions, over the API."""

from __future__ import annotations

from xml.etree import ElementTree

from graphs import edge, node, noting, sequence, waiting
from installation import until
from served import Caller, Callers

SVG = "{http://www.w3.org/2000/svg}"
LOOP = {
    "nodes": [
        node("start", "start"),
        noting("again"),
        node("check", "condition"),
        noting("never"),
        waiting("gate"),
        node("end", "end", output={"done": "true"}),
    ],
    "edges": [
        edge("start", "again"),
        edge("again", "check"),
        edge("check", "again", "more", expression="execution.visits.again < 3"),
        edge("check", "never", "wrong", expression="execution.visits.again > 3"),
        edge("check", "gate", "enough"),
        edge("never", "end"),
        edge("gate", "end"),
    ],
}


def drawn(text: str, kind: str) -> dict[str, ElementTree.Element]:
    of = "data-edge" if kind == "edge" else "data-node"
    groups = ElementTree.fromstring(text).iter(f"{SVG}g")
    return {each.get(of, ""): each for each in groups if kind in each.get("class", "").split()}


def states(text: str) -> dict[str, str]:
    return {name: each.get("class", "").split()[-1] for name, each in drawn(text, "node").items()}


async def test_a_workflow_as_a_picture(caller: Caller, callers: Callers) -> None:
    made = await caller.publish(LOOP)
    path = f"/api/v1/workflow/{made['id']}"
    reply = await caller.http.get(f"{path}/diagram")
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script" not in policy
    assert list(drawn(reply.text, "node")) == [each["id"] for each in LOOP["nodes"]]
    assert list(drawn(reply.text, "edge")) == [each["id"] for each in LOOP["edges"]]
    mermaid = await caller.http.get(f"/api/v1/workflow/{made['uuid']}/diagram?format=mermaid&version=1")
    assert mermaid.headers["Content-Type"].startswith("text/vnd.mermaid")
    assert mermaid.text.startswith("flowchart TD\n") and mermaid.text.count("-->") == len(LOOP["edges"])

    assert (await caller.http.get(f"{path}/diagram?version=draft")).status_code == 404
    broken = {"nodes": [node("alone", "tool")], "edges": []}
    assert (await caller.http.put(path, json={"definition": broken})).status_code == 200
    for query, nodes in (
        ("", 1),
        ("?version=draft", 1),
        ("?version=2", 1),
        ("?version=published", 6),
        ("?version=1", 6),
    ):
        assert len(drawn((await caller.http.get(f"{path}/diagram{query}")).text, "node")) == nodes, query
    for unknown in ("3", "0", "-1", "newest", "99999999999999999999", "%00"):
        assert (await caller.http.get(f"{path}/diagram?version={unknown}")).status_code == 404, unknown
    assert (await caller.http.get(f"{path}/diagram?format=png")).status_code == 422
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(f"{path}/diagram")).status_code == 404


async def test_an_execution_as_a_picture(caller: Caller, callers: Callers, world) -> None:
    started = await caller.start(LOOP)
    path = f"/api/v1/executions/{started['id']}"

    async def reached_the_gate() -> str:
        text = (await caller.http.get(f"{path}/diagram")).text
        return text if states(text).get("gate") == "running" else ""

    text = await until(reached_the_gate)
    expected = {**dict.fromkeys(("start", "again", "check"), "reached"), **dict.fromkeys(("never", "end"), "planned")}
    expected["gate"] = "running"
    assert states(text) == expected
    world.gate("gate").set()
    execution = await caller.reach(started["id"], "completed")
    text = (await caller.http.get(f"{path}/diagram")).text
    assert states(text) == expected | {"gate": "reached", "end": "reached"}
    taken = [name for name, each in drawn(text, "edge").items() if "taken" in each.get("class", "")]
    assert taken == [each["id"] for each in LOOP["edges"] if "never" not in each["id"]]
    assert "more \N{MULTIPLICATION SIGN}2" in text and "3 visits · " in text
    marks = [mark for each in drawn_marks(text) for mark in each.get("data-checkpoints", "").split()]
    assert sorted(marks) == sorted(each["id"] for each in execution["checkpoints"])
    mermaid = (await caller.http.get(f"{path}/diagram?format=mermaid")).text
    assert mermaid.count("==>") == len(taken) and "class n0,n1,n2,n4,n5 reached" in mermaid

    # A rollback takes the way back to its checkpoint.
    back = await caller.http.post(f"{path}/rollback", json={"checkpoint_name": "start"})
    assert back.status_code == 200, back.text
    text = (await caller.http.get(f"{path}/diagram")).text
    assert states(text)["gate"] == states(text)["check"] == "planned"
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(f"{path}/diagram")).status_code == 404
    assert (await caller.http.get("/api/v1/executions/unknown/diagram")).status_code == 404


def drawn_marks(text: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(text).iter(f"{SVG}g") if each.get("class") == "checkpoint"]


async def test_a_failure_and_an_error_edge_are_seen(caller: Caller, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            noting("fails"),
            node("saved", "transform", set={}),
            node("bad", "transform", set={"k": "1 / 0"}),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fails"),
            edge("fails", "end"),
            edge("fails", "saved", "save", on="error"),
            edge("saved", "bad"),
            edge("bad", "end"),
        ],
        "state": {"k": {}},
    }
    world.failing.add("fails")
    started = await caller.start(graph)
    await caller.reach(started["id"], "failed")
    text = (await caller.http.get(f"/api/v1/executions/{started['id']}/diagram")).text
    expected = {"start": "reached", "fails": "failed", "saved": "reached", "bad": "failed", "end": "planned"}
    assert states(text) == expected
    taken = [name for name, each in drawn(text, "edge").items() if "taken" in each.get("class", "")]
    assert taken == ["start-fails-start-fails", "fails-saved-save", "saved-bad-saved-bad"]


async def test_the_difference_of_two_versions(caller: Caller, callers: Callers) -> None:
    made = await caller.publish(sequence(node("a", "transform", set={})))
    path = f"/api/v1/workflow/{made['id']}"
    changed = sequence(node("a", "transform", set={}, description="new"), node("b", "transform", set={}))
    changed["nodes"][0]["position"] = {"x": 5, "y": 0}
    assert (await caller.http.put(path, json={"definition": changed})).status_code == 200
    found = (await caller.http.get(f"{path}/versions/1/diff/draft")).json()
    versions = [(found[side]["version_number"], found[side]["status"]) for side in ("before", "after")]
    assert versions == [(1, "published"), (2, "draft")]
    assert [each["id"] for each in found["nodes"]["added"]] == ["b"] and found["nodes"]["removed"] == []
    fields = [{"field": "data.description", "before": None, "after": "new"}]
    assert found["nodes"]["changed"] == [{"id": "a", "fields": fields}]
    moved = [{"id": "start", "fields": [{"field": "position.x", "before": 0, "after": 5}]}]
    assert found["nodes"]["moved"] == moved
    assert [each["id"] for each in found["edges"]["removed"]] == ["a-end-a-end"]
    assert len(found["edges"]["added"]) == 2 and found["settings"] == [] and found["viewport"] is None
    back = (await caller.http.get(f"{path}/versions/2/diff/published")).json()
    assert [each["id"] for each in back["nodes"]["removed"]] == ["b"]
    same = (await caller.http.get(f"{path}/versions/1/diff/published")).json()
    assert not any(same["nodes"].values()) and not any(same["edges"].values())
    for a, b in (("1", "3"), ("0", "1"), ("x", "1"), ("1", "-1")):
        assert (await caller.http.get(f"{path}/versions/{a}/diff/{b}")).status_code == 404
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(f"{path}/versions/1/diff/2")).status_code == 404
