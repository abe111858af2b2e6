"""What is one tenant's is not there for another: every operation that takes an id, out of the OpenAPI documents.

A new operation is covered by itself. A new kind of thing needs a maker here only if it cannot be made by a POST to the
path that its id stands behind.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import pytest
from graphs import node, noting, sequence
from installation import until
from sampling import Operation, Sampler
from served import Caller, Callers

from cairn.contracts.json import JsonObject

pytestmark = [
    pytest.mark.parametrize("lasting_url", ["postgresql"], indirect=True, scope="session"),
    pytest.mark.timeout(300),
]

NO_TENANTS = {
    "/api/v1/node-types/{name}": "kinds of nodes are the product's",
    "/api/v1/approvals/tools/{tool_id}/stats": "tenants may have tools of one name; the figures are the caller's own",
    "/api/v1/skills/{skill_name}": "skills are the installation's",
    "/api/v1/skills/{skill_name}/content": "skills are the installation's",
}
"""Operations whose path names nothing that a tenant has."""
UNKNOWN = {"uuid": "00000000-0000-4000-8000-000000000000", "int": "99999999", "other": "chk_" + 32 * "0"}
GRAPH = sequence(noting("a"))


class Things:
    """What the owner has, by the names that parameters of paths have for it; made when it is asked for."""

    def __init__(self, owner: Caller, document: JsonObject) -> None:
        self.owner, self.document = owner, document
        self.known: dict[str, list[str]] = {}
        self.secrets: set[str] = set()

    async def open(self) -> None:
        """Make what takes more than one request."""
        workflow = await self.owner.publish(GRAPH, "theirs")
        conversation = await self._conversation()
        execution = await self.owner.start(GRAPH, execution_id="theirs-1", input_data={"secret": "of theirs"})
        done = await self.owner.reach(execution["id"], "completed")
        approval = await self._asked(sequence(node("ask", "approval", prompt="Theirs?")), "approvals")
        question = await self._asked(sequence(node("tell", "question", prompt="Theirs?")), "questions")
        self.known = {
            "workflow_id": [workflow["uuid"], str(workflow["id"])],
            "execution_id": [execution["id"]],
            "checkpoint_id": [done["checkpoints"][-1]["id"]],
            "approval_id": [approval],
            "question_id": [question],
            "block_name": [await self._block()],
            "trigger_path": [await self._trigger()],
            **await self._agents(),
            "conversation_id": [conversation],
            "call_id": [execution["id"]],
            "task_id": [execution["id"]],
            "cache_id": ["cache_" + 32 * "5"],
            "version": ["1"],
            "a": ["1"],
            "b": ["1"],
        }
        self.known["file_id"], self.known["name"] = await self._file()
        self.secrets = {"theirs", "of theirs", "Theirs?"}

    async def _agents(self) -> dict[str, list[str]]:
        body = {"name": "theirs", "tools": ["echo"]}
        parent = (await self.owner.http.post("/api/v1/agents", json=body)).json()
        below = (await self.owner.http.post(f"/api/v1/agent/{parent['id']}/subagents", json=body)).json()
        return {"agent_id": [parent["id"]], "subagent_id": [below["id"]], "tool": ["echo"]}

    async def _conversation(self) -> str:
        agent = (await self.owner.http.post("/api/v1/agents", json={"name": "theirs"})).json()
        body = {"agent_id": agent["id"], "title": "theirs"}
        made = (await self.owner.http.post("/api/v1/conversations", json=body)).json()
        said = {"content": "of theirs", "message_id": "theirs-1"}
        sent = await self.owner.http.post(f"/api/v1/conversations/{made['id']}/messages", json=said)
        assert sent.is_success, sent.text
        return made["id"]

    async def _trigger(self) -> str:
        trigger = node("t", "trigger", trigger_path=uuid.uuid4().hex)
        body = {"name": "theirs", "definition": {**GRAPH, "nodes": [*GRAPH["nodes"], trigger]}}
        made = (await self.owner.http.post("/api/v1/workflow/create/definition", json=body)).json()
        assert made["trigger_paths"], made
        return made["trigger_paths"][0]

    async def _block(self) -> str:
        body = {"name": "their-block", "body": "of theirs", "mode": "cached"}
        made = await self.owner.http.post("/api/v1/prompt-blocks", json=body)
        assert made.is_success, made.text
        return made.json()["name"]

    async def _file(self) -> tuple[list[str], list[str]]:
        body = {"filename": "theirs.wav", "content_type": "audio/wav"}
        link = (await self.owner.http.post("/api/v1/workflow/ambient-noise/upload-url", json=body)).json()
        sent = await self.owner.http.put(link["upload_url"], content=b"noise", headers={"Content-Type": "audio/wav"})
        assert sent.is_success, sent.text
        _, file_id, name = link["file_key"].split("/")
        return [file_id], [name]

    async def _asked(self, definition: JsonObject, what: str) -> str:
        execution = await self.owner.start(definition)

        async def found() -> str | None:
            path = f"/api/v1/{what}/pending?execution_id={execution['id']}"
            items = (await self.owner.http.get(path)).json()
            return next((each["id"] for each in items.get("items") or items.get(what) or ()), None)

        return await until(found)

    async def ids(self, path: str, name: str) -> list[str]:
        """Return ids of something of the owner's that stands in a path under a name."""
        if name not in self.known:
            self.known[name] = [await self._make(path[: path.index("{" + name)], name)]
        return self.known[name]

    async def _make(self, collection: str, name: str) -> str:
        for path in (collection, collection.rstrip("/")):
            if operation := self.document["paths"].get(path, {}).get("post"):
                body = Sampler(self.document).body(operation) or {}
                if "workflow_id" in body:
                    body["workflow_id"] = self.known["workflow_id"][0]
                reply = await self.owner.http.post(path, json=body)
                assert reply.is_success, f"{path}: {reply.text}"
                made = reply.json()
                return str(made[next(key for key in (name, "uuid" if "uuid" in name else "id", "id") if key in made)])
        pytest.fail(f"nobody knows how to make what {collection}{{{name}}} names: add it to Things")


def unlike(first: str) -> str:
    """Return an id of the same form that nobody has."""
    if first.isdecimal():
        return UNKNOWN["int"]
    if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", first):
        return UNKNOWN["uuid"]
    kind, _, rest = first.rpartition("_")
    return f"{kind}_{'0' * len(rest)}" if re.fullmatch(r"[0-9a-f]+", rest) and kind else "unknown-1"


def impersonal(reply, ids: Mapping[str, str]) -> tuple[int, str]:
    """Return a reply without what differs from request to request."""
    text = reply.text
    for each in ids.values():
        text = text.replace(each, "ID")
    return reply.status_code, re.sub(r'"(request_id|timestamp)":"[^"]*"', "", text)


def naming(document: JsonObject, things: Things) -> list[tuple[Operation, set[str]]]:
    """Return the operations that name something in their query or body alone, with the names that are known."""
    known = {name for name in things.known if name.endswith(("_id", "_uuid"))}
    found = []
    for path, item in document["paths"].items():
        for method, operation in item.items() if "{" not in path else ():
            made = Operation(document, path, method, operation)
            names = made.query | (made.body.keys() if isinstance(made.body, dict) else set())
            if "security" in operation and names & known:
                found.append((made, names & known))
    return found


async def asked_of(document: JsonObject, things: Things) -> list[tuple[Operation, dict[str, list[str]]]]:
    """Return the operations whose paths name something, each with ids of the owner's for what it names."""
    found = []
    for path, item in document["paths"].items():
        names = re.findall(r"\{(\w+)\}", path)
        for method, operation in item.items() if names and path not in NO_TENANTS else ():
            if "security" in operation:
                made = Operation(document, path, method, operation)
                found.append((made, {name: await things.ids(path, name) for name in names}))
    return found


async def test_nothing_of_a_tenant_is_there_for_another(callers: Callers, world) -> None:
    document = (await callers.client().get("/openapi.json")).json()
    owner = await callers.new()
    things = Things(owner, document)
    await things.open()
    strangers = [await callers.new(), await callers.new(owner.tenant, live=False)]
    operations = await asked_of(document, things)
    wrong: set[str] = set()
    for operation, theirs in operations:
        theirs |= {name: things.known[name] for name in operation.query & things.known.keys()}
        several = max(len(ids) for ids in theirs.values())
        for foreign in [{name: ids[n % len(ids)] for name, ids in theirs.items()} for n in range(several)]:
            unknown = {name: unlike(id) for name, id in foreign.items()}
            for stranger in strangers:
                told = impersonal(await operation.send(stranger, foreign), foreign)
                nothing = impersonal(await operation.send(stranger, unknown), unknown)
                if told[0] != 404 or told != nothing:
                    wrong.add(f"{operation}: {told}; of an unknown id {nothing}")
                wrong |= {f"{operation} tells {secret!r}" for secret in things.secrets if secret in told[1]}
    for operation, names in naming(document, things):
        for name in names:
            foreign, unknown = things.known[name][0], unlike(things.known[name][0])
            for stranger in strangers:
                told = impersonal(await operation.send(stranger, {name: foreign}), {name: foreign})
                nothing = impersonal(await operation.send(stranger, {name: unknown}), {name: unknown})
                if told != nothing:
                    wrong.add(f"{operation} with {name}: {told}; of an unknown id {nothing}")
    assert sorted(wrong) == []
    assert len(operations) > 40
    # And nothing was done to what the owner has.
    execution = await owner.get("theirs-1")
    assert (execution["status"], len(execution["checkpoints"])) == ("completed", 2)
    for name in ("approval", "question"):
        (there,) = things.known[f"{name}_id"]
        assert (await owner.http.get(f"/api/v1/{name}s/{there}")).json()["status"] == "pending"
