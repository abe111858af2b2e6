"""A review by a model of its author's: asked with the author's key, which stands nowhere that people or logs see."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import AsyncGenerator

import pytest
from installation import Cairn
from phone import say, speaker
from served import Caller
from servers.openai_server import KEY, OpenAIServer, answer

from cairn.contracts.json import JsonObject

BASE = "/api/v1/workflow"


@pytest.fixture
async def server() -> AsyncGenerator[OpenAIServer]:
    async with OpenAIServer.running() as made:
        made.will(answer({"summary": "They said goodbye.", "tags": ["short"]}))
        yield made


def graph(server: OpenAIServer) -> JsonObject:
    own = {"qa_provider": "openai", "qa_model": "judge", "qa_api_key": KEY, "qa_endpoint": server.url}
    return {
        "nodes": [
            speaker("hello", "startCall", greeting="Hello!"),
            speaker("bye", "endCall"),
            speaker("review", "qa", qa_use_workflow_llm=False, qa_min_call_duration=0, **own),
        ],
        "edges": [say("hello", "bye", "goodbye", "The caller says goodbye")],
    }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_authors_model_reviews_and_its_key_is_told_to_nobody(
    caller: Caller, cairn: Cairn, server: OpenAIServer, log: io.StringIO
) -> None:
    made = (await caller.http.post(f"{BASE}/create/definition", json={"name": "c", "definition": graph(server)})).json()
    assert made["version_status"] == "published"
    fetched = await caller.http.get(f"{BASE}/fetch/{made['id']}")
    kept = fetched.json()["definition"]["nodes"][2]["data"]["qa_api_key"]
    assert kept.startswith("sealed:") and KEY not in fetched.text
    again = await caller.http.put(f"{BASE}/{made['id']}", json={"definition": fetched.json()["definition"]})
    assert again.json()["definition"] == fetched.json()["definition"]
    begun = await caller.http.post("/api/v1/executions", json={"workflow_id": made["uuid"], "input_data": {}})
    run = begun.json()["id"]
    told = {"name": "utterance", "payload": {"text": "Goodbye"}}
    reply = await caller.http.post(f"/api/v1/executions/{run}/events?wait=true", json=told)
    assert reply.json()["reply"]["ended"]
    done = await caller.reach(run, "completed")
    assert done["call"]["problems"] == []
    payloads = re.findall(r'"data": "([^"]+)"', (await cairn.history(run)).to_json())
    history = "".join(base64.b64decode(each).decode() for each in payloads)
    assert kept in history
    assert [each["model"] for each in server.requests] == ["judge"]
    assert KEY not in history + str(done) + log.getvalue()
