"""What a tenant has, by the names that paths, queries and bodies have for it: out of the OpenAPI document."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import pytest
from graphs import node, noting, sequence
from installation import until
from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart
from sampling import Operation, Sampler
from served import Caller, Callers

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import ConversationTurn
from cairn.domain.conversations.cached import LARGE, cache_id
from cairn.domain.conversations.turns import TurnMessages
from cairn.domain.tools.authored.drafts import ToolDrafts
from cairn.domain.tools.authored.spec import read_spec
from cairn.persistence.repository import Scope

NO_TENANTS = {
    "GET /api/v1/node-types/{name}": "kinds of nodes are the product's",
    "GET /api/v1/approvals/tools/{tool_id}/stats": "tenants may have tools of one name; told are the caller's own",
    "GET /api/v1/skills/{skill_name}": "skills are the installation's",
    "GET /api/v1/skills/{skill_name}/content": "skills are the installation's",
    "GET /api/v1/hooks/requests/{token}": "asks for no key: the token is the permission",
    "POST /api/v1/hooks/requests/{token}": "asks for no key: the token is the permission",
    "PUT /api/v1/workflow/ambient-noise/{file_id}/{name}": "asks for no key: the link is signed for what it names",
}
"""Operations whose path has a name and that are not asked with another tenant's, with the reason."""
UNKNOWN = {"uuid": "00000000-0000-4000-8000-000000000000", "int": "99999999", "other": "chk_" + 32 * "0"}
GRAPH = sequence(noting("a"))
TOOL = {
    "kind": "python",
    "args_schema": {"type": "object", "properties": {}},
    "function_code": "def run():\n    return 1",
}


class Things:
    """What the owner has, by the names that parameters of paths have for it; made when it is asked for."""

    def __init__(self, owner: Caller, document: JsonObject, named: str = "theirs") -> None:
        self.owner, self.document, self.named = owner, document, named
        self.known: dict[str, list[str]] = {}
        self.secrets: set[str] = set()

    async def open(self) -> None:
        """Make what takes more than one request."""
        workflow = await self.owner.publish(GRAPH, self.named)
        agents = await self._agents()
        conversation = await self._conversation(agents["agent_id"][0])
        execution = await self.owner.start(
            GRAPH, execution_id=f"{self.named}-1", input_data={"secret": f"of {self.named}"}
        )
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
            **agents,
            "conversation_id": [conversation],
            "call_id": [execution["id"]],
            "task_id": [execution["id"]],
            "cache_id": ["cache_" + 32 * "5"],
            "message_id": [f"{self.named}-1"],
            "version": ["1"],
            "a": ["1"],
            "b": ["1"],
        }
        self.known["file_id"], self.known["name"] = await self._file()
        self.secrets = {self.named, "Theirs?"}

    async def _agents(self) -> dict[str, list[str]]:
        body = {"name": self.named, "tools": ["echo"]}
        parent = (await self.owner.http.post("/api/v1/agents", json=body)).json()
        below = (await self.owner.http.post(f"/api/v1/agent/{parent['id']}/subagents", json=body)).json()
        tool = await self._tool(f"/api/v1/agent/{parent['id']}", below["id"])
        return {"agent_id": [parent["id"]], "subagent_id": [below["id"]], "tool": [tool]}

    async def _tool(self, agent: str, below: str) -> str:
        made = await self.owner.http.post(f"{agent}/tools", json={**TOOL, "name": f"{self.named}_tool"})
        given = await self.owner.http.post(f"{agent}/subagents/{below}/tools", json={"tool": made.json()["name"]})
        assert given.is_success, given.text
        return made.json()["name"]

    async def _conversation(self, agent: str) -> str:
        body = {"agent_id": agent, "title": self.named}
        made = (await self.owner.http.post("/api/v1/conversations", json=body)).json()
        said = {"content": f"of {self.named}", "message_id": f"{self.named}-1"}
        sent = await self.owner.http.post(f"/api/v1/conversations/{made['id']}/messages", json=said)
        assert sent.is_success, sent.text
        return made["id"]

    async def _trigger(self) -> str:
        trigger = node("t", "trigger", trigger_path=uuid.uuid4().hex)
        body = {"name": self.named, "definition": {**GRAPH, "nodes": [*GRAPH["nodes"], trigger]}}
        made = (await self.owner.http.post("/api/v1/workflow/create/definition", json=body)).json()
        assert made["trigger_paths"], made
        return made["trigger_paths"][0]

    async def _block(self) -> str:
        body = {"name": f"{self.named}-block", "body": f"of {self.named}", "mode": "cached"}
        made = await self.owner.http.post("/api/v1/prompt-blocks", json=body)
        assert made.is_success, made.text
        return made.json()["name"]

    async def _file(self) -> tuple[list[str], list[str]]:
        body = {"filename": f"{self.named}.wav", "content_type": "audio/wav"}
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


async def things_of(callers: Callers, document: JsonObject, named: str = "theirs") -> Things:
    """Return what a new tenant has, with all that bodies may name."""
    things = Things(await callers.new(), document, named)
    await things.open()
    for path, name in (
        ("/api/v1/tools/{tool_uuid}", "tool_uuid"),
        ("/api/v1/folder/{folder_id}", "folder_id"),
        ("/api/v1/credentials/{credential_uuid}", "credential_uuid"),
    ):
        await things.ids(path, name)
    async with callers.database.transaction() as session:
        drafts = ToolDrafts(session, Scope(things.owner.tenant, live=True), None)
        things.known["draft_id"] = [
            (await drafts.keep(things.known["agent_id"][0], read_spec({**TOOL, "name": named}), [])).id
        ]
    things.known["tool"] += things.known["draft_id"]  # stands where a tool's name does, too
    things.known["cache_id"] = [await _large_result(callers, things)]
    return things


async def _large_result(callers: Callers, things: Things) -> str:
    """Keep a turn in which a tool brought much; return the id by which that is read."""
    # Of a turn of its own: of one that has ended nothing more is kept.
    execution, (conversation,) = f"turn-{things.named}", things.known["conversation_id"]
    brought = things.named * LARGE
    said = [
        ModelResponse([ToolCallPart("echo", {}, tool_call_id="call-1")]),
        ModelRequest([ToolReturnPart("echo", brought, tool_call_id="call-1")]),
    ]
    turn = ConversationTurn(id=conversation, message_id=things.known["message_id"][0])
    await TurnMessages(callers.database).keep(Scope(things.owner.tenant, live=True), turn, execution, said)
    return cache_id(execution, "call-1")


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


async def asked_of(document: JsonObject, things: Things) -> list[tuple[Operation, dict[str, list[str]]]]:
    """Return the operations whose paths name something, each with ids of the owner's for what it names."""
    found = []
    for path, item in document["paths"].items():
        names = re.findall(r"\{(\w+)\}", path)
        for method, operation in item.items() if names else ():
            made = Operation(document, path, method, operation)
            if str(made) not in NO_TENANTS:
                found.append((made, {name: await things.ids(path, name) for name in names}))
    return found


async def all_that_is_shown(things: Things, document: JsonObject) -> dict[str, tuple[int, str]]:
    """Return what the owner is told of all that has a name."""
    found = {}
    for operation, ids in await asked_of(document, things):
        replies = operation.operation["responses"].get("200", {}).get("content", {})
        if operation.method == "get" and "text/event-stream" not in replies:
            own = {name: each[0] for name, each in ids.items()}
            found[str(operation)] = impersonal(await operation.send(things.owner, own), own)
    return found
