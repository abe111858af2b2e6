"""The documents link what makes something to what can be done with it."""

from __future__ import annotations

from typing import Any

import pytest

from api.app import surfaces
from api.kit.openapi import Document, merged, operations
from cairn.settings import Settings


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    return {name: app.openapi() for name, app in surfaces(Settings()).items()}


# Their values are no member of a reply: a link to upload by is one text, and a link to answer by is sent to a person.
TOLD_ELSEWHERE = {
    "/api/v1/workflow/ambient-noise/{file_id}/{name}",
    "/api/v1/hooks/requests/{token}",
}


def links(document: Document, path: str, status: str, method: str = "post") -> dict[str, Any]:
    """Return the parameters that are told, by the operation that they are for."""
    served = {
        item[method]["operationId"]: f"{method} {where}" for where, item in document["paths"].items() for method in item
    }
    found = document["paths"][path][method]["responses"][status]["links"].values()
    return {served[each["operationId"]]: each["parameters"] for each in found}


def test_what_is_made_is_linked_to_all_that_takes_its_id_alone(documents: dict[str, Document]) -> None:
    found = links(documents["omium"], "/api/v1/executions", "201")
    assert {tuple(values.items()) for values in found.values()} == {(("execution_id", "$response.body#/id"),)}
    paths = documents["omium"]["paths"]
    wanted = {f"{m} {p}" for p in paths if p.count("{") == 1 and "{execution_id}" in p for m in paths[p]}
    assert set(found) == wanted and "get /api/v1/executions/{execution_id}" in wanted


def test_what_the_request_had_is_handed_on(documents: dict[str, Document]) -> None:
    found = links(documents["agentflow"], "/api/v1/agent/{agent_id}/subagents", "201")
    values = {"agent_id": "$request.path.agent_id", "subagent_id": "$response.body#/id"}
    assert found["get /api/v1/agent/{agent_id}/subagents/{subagent_id}"] == values
    assert not [target for target in found if "{tool}" in target]
    found = links(documents["agentflow"], "/api/v1/agent/{agent_id}/subagents/{subagent_id}/tools", "201")
    assert [*found.values()] == [
        {
            "agent_id": "$request.path.agent_id",
            "subagent_id": "$request.path.subagent_id",
            "tool": "$response.body#/name",
        }
    ]


def test_a_copy_is_linked_by_its_own_id(documents: dict[str, Document]) -> None:
    found = links(documents["voice"], "/api/v1/workflow/{workflow_id}/duplicate", "200")
    assert found["get /api/v1/workflow/fetch/{workflow_id}"] == {"workflow_id": "$response.body#/id"}


def test_what_is_listed_is_linked_by_the_first_of_the_list(documents: dict[str, Document]) -> None:
    found = links(documents["omium"], "/api/v1/executions/{execution_id}", "200", "get")
    checkpoint = {"checkpoint_id": "$response.body#/checkpoints/0/id"}
    of_execution = {"execution_id": "$request.path.execution_id", **checkpoint}
    assert found == {
        "get /api/v1/executions/{execution_id}/checkpoints/{checkpoint_id}": of_execution,
        "get /api/v1/executions/{execution_id}/checkpoints/{checkpoint_id}/impact": of_execution,
        "get /api/v1/checkpoints/{checkpoint_id}": checkpoint,
    }


def test_one_reply_can_tell_several_things(documents: dict[str, Document]) -> None:
    found = links(documents["voice"], "/api/v1/workflow/create/definition", "200")
    trigger = {"trigger_path": "$response.body#/trigger_paths/0"}
    version = {"workflow_id": "$response.body#/id", "version": "$response.body#/version_number"}
    assert found["post /api/v1/public/agent/{trigger_path}"] == trigger
    assert found["get /api/v1/workflow/{workflow_id}/versions/{version}"] == version


def test_whatever_has_an_id_is_linked_from_what_tells_the_id(documents: dict[str, Document]) -> None:
    for document in documents.values():
        served = {o["operationId"]: path for path, item in document["paths"].items() for o in item.values()}
        reached = {
            link["operationId"]
            for item in document["paths"].values()
            for operation in item.values()
            for answer in operation["responses"].values()
            for link in answer.get("links", {}).values()
        }
        by_id = {each: path for each, path in served.items() if "{" in path}
        assert {path for each, path in by_id.items() if each not in reached} <= TOLD_ELSEWHERE


def test_every_link_leads_somewhere_and_tells_what_is_told(documents: dict[str, Document]) -> None:
    whole = {**documents, "all": merged(documents, "all", "1")}
    for document in whole.values():
        served = {operation["operationId"]: operation for _, operation in operations(document)}
        followed = [
            link
            for operation in served.values()
            for answer in operation["responses"].values()
            for link in answer.get("links", {}).values()
        ]
        assert all("x-makes" not in operation for operation in served.values())
        for link in followed:
            in_path = {p["name"] for p in served[link["operationId"]]["parameters"] if p["in"] == "path"}
            assert in_path == {*link["parameters"]}
    assert followed
