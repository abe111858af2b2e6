"""Ids of another tenant's things in the bodies and queries of operations on one's own: as ids that nobody has.

Out of the OpenAPI document, so that a new operation is covered by itself. What a document does not describe, the graphs
in bodies, is asked by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest
from conformance.things import Things, asked_of, impersonal, things_of, unlike
from graphs import node, sequence
from installation import until
from phone import pizzeria
from sampling import Operation
from served import Caller, Callers

from cairn.contracts.json import JsonObject

pytestmark = [
    pytest.mark.parametrize("lasting_url", ["postgresql"], indirect=True, scope="session"),
    pytest.mark.timeout(300),
]

CHOSEN = {
    "event_id": "names what happened, so that it is told once",
    "execution_id": "of the execution that is to be made",
    "message_id": "of the message that is said",
    "user_id": "of whom the caller knows",
}
"""Members of bodies that callers choose: what another tenant has chosen is free."""
SAID = ("/rollback", "/fork", "/replay")
"""Ends of paths of conversations where ``message_id`` is not chosen."""
OTHERS = {"template_id": "templates are the product's"}
"""Members of bodies that name nothing of a tenant's."""
LISTS = {"tools": "tool_uuid", "prompt_blocks": "block_name"}
"""Members of bodies that are lists of what is known under another name."""
COUNTED = re.compile(
    r'"((id|uuid|revision|version|(created|updated)_at)":("[^"]*"|\d+)|execution_id":"exec_\w+"|duration_ms":[\d.]+),?'
)
"""Members of what was made or changed that differ from time to time."""


class Member:
    """A place of an id in a body or a query.

    Attributes:
        theirs: an id of the owner's that could stand there.
        chosen: callers choose what stands there.
    """

    def __init__(self, operation: Operation, place: tuple[str, ...], theirs: str, *, in_query: bool = False) -> None:
        self.operation, self.place, self.theirs, self.in_query = operation, place, theirs, in_query
        self.chosen = not in_query and is_chosen(operation, place)

    def __str__(self) -> str:
        return f"{self.operation} {'.'.join(self.place)}"

    async def ask(self, caller: Caller, own: Mapping[str, str], each: str) -> tuple[int, str]:
        """Return what the caller is told of one's own with an id there."""
        if self.in_query:
            reply = await self.operation.ask(caller, {**own, self.place[0]: each}, None)
        else:
            value = [each] if self.place[-1] in LISTS else int(each) if each.isdecimal() else each
            reply = await self.operation.ask(caller, own, self.operation.with_member(self.place, value))
        status, text = impersonal(reply, {"id": each})
        return (status, "" if self.chosen else COUNTED.sub("", text)) if status < 300 else (status, text)


def is_chosen(operation: Operation, place: tuple[str, ...]) -> bool:
    return place[-1] in CHOSEN and not (place[-1] == "message_id" and operation.path.endswith(SAID))


def members(operation: Operation, theirs: Mapping[str, list[str]], own: Mapping[str, str]) -> Iterator[Member]:
    """Yield the places of ids that are not in the path."""
    for name in sorted(operation.query & theirs.keys() - own.keys()):
        if name.endswith(("_id", "_uuid", "_name")):
            yield Member(operation, (name,), theirs[name][0], in_query=True)
    for place in sorted(operation.sampler.members(operation.operation)):
        name = LISTS.get(place[-1], place[-1])
        if name.endswith(("_id", "_uuid", "_name")) and name in theirs:
            yield Member(operation, place, theirs[name][0])


async def test_an_id_of_somebody_elses_beside_ones_own_is_one_that_nobody_has(callers: Callers, world) -> None:
    """Also where the member may be left out; and what callers choose is theirs to choose."""
    document = (await callers.client().get("/openapi.json")).json()
    owner, stranger = await things_of(callers, document), await things_of(callers, document, "own")
    of_paths = {str(operation): ids for operation, ids in await asked_of(document, stranger)}
    wrong: set[str] = set()
    asked: set[str] = set()
    named: set[str] = set()
    for path, item in document["paths"].items():
        for method, described in item.items():
            operation = Operation(document, path, method, described)
            if "security" not in described or method == "delete" or ("{" in path and str(operation) not in of_paths):
                continue
            own = {name: ids[0] for name, ids in of_paths.get(str(operation), {}).items()}
            named |= {place[-1] for place in operation.sampler.members(described)}
            for member in members(operation, owner.known, own):
                asked.add(str(member))
                theirs, nobodys = [
                    await member.ask(stranger.owner, own, each) for each in (member.theirs, unlike(member.theirs))
                ]
                if theirs != nobodys or theirs[0] >= 500 or any(secret in theirs[1] for secret in owner.secrets):
                    wrong.add(f"{member}: {theirs}; of an unknown id {nobodys}")
    assert not wrong, "\n".join(sorted(wrong))
    unasked = {name for name in named if name.endswith(("_id", "_uuid"))} - owner.known.keys() - CHOSEN.keys()
    assert unasked == OTHERS.keys()
    assert {
        "POST /api/v1/executions/{execution_id}/fork checkpoint_id",
        "POST /api/v1/executions/{execution_id}/fork execution_id",
        "PUT /api/v1/workflow/{workflow_id}/folder folder_id",
        "POST /api/v1/agent/{agent_id}/chat conversation_id",
        "POST /api/v1/agent/{agent_id}/tools/persist draft_id",
        "POST /api/v1/conversations/{conversation_id}/fork message_id",
        "PATCH /api/v1/agent/{agent_id}/config tools",
        "PATCH /api/v1/settings chat.agent_id",
        "POST /api/v1/tools/ definition.config.credential_uuid",
        "GET /api/v1/checkpoints/{checkpoint_id} execution_id",
    } <= asked


NOWHERE = "http://127.0.0.1:9/"
WORK: dict[str, tuple[str, Callable[[str], JsonObject]]] = {
    "a subgraph": ("workflow_id", lambda each: node("a", "subgraph", workflow_id=each, input={})),
    "the graph of each item": ("workflow_id", lambda each: node("a", "map", items="[1]", workflow_id=each)),
    "a credential": ("credential_uuid", lambda each: node("a", "http", url=NOWHERE, credential_uuid=each)),
    "an agent's tool": ("tool_uuid", lambda each: node("a", "agent", prompt="Go", tools=[each])),
    "a sub-agent": (
        "agent_id",
        lambda each: node(
            "a", "agent", prompt="Go", subagents=[{"name": "b", "workflow_id": each, "description": "b"}]
        ),
    ),
}
"""By what is named: the name of the id, and a node that has it."""
CALLS: dict[str, tuple[str, Callable[[str], JsonObject]]] = {
    "a webhook's credential": (
        "credential_uuid",
        lambda each: pizzeria(node("w", "webhook", endpoint_url=NOWHERE, credential_uuid=each)),
    ),
    "the credential of a fetch": (
        "credential_uuid",
        lambda each: pizzeria(
            pre_call_fetch_enabled=True, pre_call_fetch_url=NOWHERE, pre_call_fetch_credential_uuid=each
        ),
    ),
    "a tool": ("tool_uuid", lambda each: pizzeria(tool_uuids=[each])),
    "a document": ("credential_uuid", lambda each: pizzeria(document_uuids=[each])),
}
"""By what is named: the name of the id, and a voice graph that has it."""


@pytest.fixture(scope="module")
async def theirs(callers: Callers) -> Things:
    return await things_of(callers, (await callers.client().get("/openapi.json")).json())


@pytest.mark.parametrize("what", WORK)
async def test_so_is_one_in_a_graph(callers: Callers, world, theirs: Things, what: str) -> None:
    """Neither what is said of the graph nor what comes of its execution tells whether somebody else has it."""
    stranger = await callers.new()
    name, made = WORK[what]
    there = theirs.known[name][0]
    told = [await outcome(stranger, sequence(made(each)), each) for each in (there, unlike(there))]
    assert told[0] == told[1]
    assert not any(secret in str(told[0]) for secret in theirs.secrets)


@pytest.mark.parametrize("what", CALLS)
async def test_so_is_one_in_a_voice_graph(callers: Callers, theirs: Things, what: str) -> None:
    stranger = await callers.new()
    name, made = CALLS[what]
    there = theirs.known[name][0]
    told = [await draft(stranger, made(each), each) for each in (there, unlike(there))]
    assert told[0][1:] == told[1][1:]


async def draft(caller: Caller, graph: JsonObject, named: str) -> tuple[JsonObject, int, str]:
    """Write a graph down; return it, with how and with which errors."""
    reply = await caller.http.post("/api/v1/workflow/create/definition", json={"name": "own", "definition": graph})
    made = reply.json()
    return made, reply.status_code, str(made.get("errors", made)).replace(named, "ID")


async def outcome(caller: Caller, graph: JsonObject, named: str) -> list[object]:
    """Return what is said of a graph, or how its execution ends where it can be executed."""
    made, status, errors = await draft(caller, graph, named)
    if made.get("errors") != []:
        return [status, errors]
    started = await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"]})
    if started.status_code != 201:
        return [started.status_code, impersonal(started, {"id": named})]
    ended = await until(partial(end_of, caller, started.json()["id"]))
    return [ended["status"], str(ended["error"]).replace(named, "ID")]


async def end_of(caller: Caller, execution_id: str) -> JsonObject | None:
    now = await caller.get(execution_id)
    return now if now["status"] in ("completed", "failed") else None
