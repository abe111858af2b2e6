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


def links(document: Document, path: str, status: str) -> dict[str, Any]:
    """Return the parameters that are told, by the operation that they are for."""
    served = {
        item[method]["operationId"]: f"{method} {where}" for where, item in document["paths"].items() for method in item
    }
    found = document["paths"][path]["post"]["responses"][status]["links"].values()
    return {served[each["operationId"]].removeprefix("/api/v1"): each["parameters"] for each in found}


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
