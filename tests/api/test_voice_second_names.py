"""Both names of a member are taken, and the settings of a workflow have bounds."""

from __future__ import annotations

import pytest
from served import Caller

from cairn.contracts.json import Json, JsonObject

BASE = "/api/v1/workflow"
CREATE = f"{BASE}/create/definition"


def voice() -> JsonObject:
    """A voice graph with a trigger."""
    nodes: list[Json] = [
        {"id": "1", "type": "startCall", "data": {"name": "hi", "prompt": "Greet."}},
        {"id": "2", "type": "endCall", "data": {"name": "bye", "prompt": "Say goodbye."}},
        {"id": "t", "type": "trigger", "data": {"name": "t"}},
    ]
    edge: Json = {"id": "e", "source": "1", "target": "2", "data": {"label": "done", "condition": "All is said."}}
    return {"nodes": nodes, "edges": [edge]}


async def test_a_workflow_is_made_and_renamed_under_either_name(caller: Caller) -> None:
    made = await caller.http.post(CREATE, json={"workflow_name": " Ann ", "workflow_definition": voice()})
    assert made.status_code == 200, made.text
    assert made.json()["name"] == made.json()["workflow_name"] == "Ann"
    renamed = await caller.http.put(f"{BASE}/{made.json()['id']}", json={"workflow_name": "Bob"})
    assert renamed.json()["name"] == "Bob"
    body = {"template_id": "inbound-support", "workflow_name": "Cleo"}
    assert (await caller.http.post(f"{BASE}/templates/duplicate", json=body)).json()["name"] == "Cleo"
    body = {"template_description": "Take orders of a bakery", "workflow_name": "Dan"}
    assert (await caller.http.post(f"{BASE}/create/template", json=body)).json()["name"] == "Dan"


async def test_what_was_read_can_be_sent_back_whole(caller: Caller) -> None:
    body = {"name": "n", "definition": voice(), "configuration": {"max_call_duration": 60}}
    made = (await caller.http.post(CREATE, json=body)).json()
    path = f"{BASE}/{made['id']}"
    read = (await caller.http.get(f"{BASE}/fetch/{made['id']}")).json()
    saved = await caller.http.put(path, json=read)
    assert saved.status_code == 200, saved.text
    for member in ("name", "definition", "configuration"):
        assert saved.json()[member] == read[member]
    pairs: tuple[tuple[str, str, Json], ...] = (
        ("name", "workflow_name", "m"),
        ("definition", "workflow_definition", {"nodes": [], "edges": []}),
        ("configuration", "workflow_configurations", None),
    )
    for first, second, other in pairs:
        for changed in (first, second):
            refused = await caller.http.put(path, json={**read, changed: other})
            assert refused.status_code == 422, (changed, refused.text)
            message = f"{first} and {second} are two names of one member, and differ"
            assert message in refused.text
    assert (await caller.http.get(f"{BASE}/fetch/{made['id']}")).json()["revision"] == saved.json()["revision"]


async def test_a_name_is_still_needed_once(caller: Caller) -> None:
    for body in ({"definition": voice()}, {"definition": voice(), "workflow_name": " "}):
        refused = await caller.http.post(CREATE, json=body)
        assert refused.status_code == 422
        assert [error["loc"] for error in refused.json()["detail"]] == [["body", "name"]]


@pytest.mark.parametrize(
    ("configuration", "place"),
    [
        ({"max_call_duration": 1201}, ["max_call_duration"]),
        ({"max_call_duration": 0}, ["max_call_duration"]),
        ({"max_user_idle_timeout": 0}, ["max_user_idle_timeout"]),
        ({"smart_turn_stop_secs": 0}, ["smart_turn_stop_secs"]),
        ({"smart_turn_stop_secs": 3601}, ["smart_turn_stop_secs"]),
        ({"smart_turn_stop_secs": "2"}, ["smart_turn_stop_secs"]),
        ({"ambient_noise_configuration": {"volume": 1.01}}, ["ambient_noise_configuration", "volume"]),
        ({"ambient_noise_configuration": {"volume": -0.01}}, ["ambient_noise_configuration", "volume"]),
        ({"context_compaction_enabled": "yes"}, ["context_compaction_enabled"]),
    ],
    ids=str,
)
async def test_settings_have_bounds(caller: Caller, configuration: JsonObject, place: list[str]) -> None:
    body = {"name": "n", "definition": voice(), "configuration": configuration}
    refused = await caller.http.post(CREATE, json=body)
    assert refused.status_code == 422
    assert [error["loc"] for error in refused.json()["detail"]] == [["body", "configuration", *place]]


async def test_settings_within_their_bounds_are_kept_word_for_word(caller: Caller) -> None:
    for configuration in (
        {"smart_turn_stop_secs": 0.1, "max_call_duration": 1200, "ambient_noise_configuration": {"volume": 0}},
        {"smart_turn_stop_secs": 3600, "max_call_duration": 1, "ambient_noise_configuration": {"volume": 1}},
    ):
        body = {"name": "n", "definition": voice(), "configuration": configuration}
        made = await caller.http.post(CREATE, json=body)
        assert made.status_code == 200 and made.json()["configuration"] == configuration
