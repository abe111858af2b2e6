"""The public client ``dograh-sdk``, unchanged, against a served API: its methods, its builder, its own validation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from dograh_sdk import DograhClient, Workflow
from dograh_sdk._generated_models import CreateToolRequest, CreateWorkflowRequest, UpdateWorkflowRequest
from dograh_sdk.errors import ApiError, SpecMismatchError, ValidationError
from dograh_sdk.typed import AgentNode, EndCall, GlobalNode, Qa, StartCall, Trigger, Webhook
from dograh_sdk.typed.start_call import StartCall_Extraction_variablesRow as Variable
from dograh_sdk.typed.webhook import Webhook_Custom_headersRow as Header
from served import Caller, Callers

from cairn.domain.templates import templates
from cairn.domain.tools.authored import native_uuid

CREDENTIAL = {"name": "CRM", "credential_type": "bearer_token", "credential_data": {"token": "hush"}}


@pytest.fixture
async def sdk(caller: Caller) -> AsyncIterator[DograhClient]:
    with DograhClient(base_url=str(caller.http.base_url).rstrip("/") + "/dograh", api_key=caller.key) as it:
        yield it


async def call(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call the client, which is not async, beside the served API."""
    return await asyncio.to_thread(method, *args, **options)


def build(client: DograhClient, tool: str, credential: str) -> Workflow:
    made = Workflow(client=client, name="loan qualification")
    start = made.add_typed(
        StartCall(
            prompt="Greet {{first_name | the caller}}.",
            greeting="Hi {{first_name}}, this is Sarah.",
            delayed_start=True,
            extraction_enabled=True,
            extraction_variables=[Variable(name="amount", type="number", prompt="The amount.")],
            pre_call_fetch_enabled=True,
            pre_call_fetch_url="https://crm.example/callers",
            pre_call_fetch_credential_uuid=credential,
        )
    )
    qualify = made.add_typed(AgentNode(name="qualify", prompt="Ask.", tool_uuids=[tool]), position=(300, 0))
    done = made.add_typed(EndCall(name="done", prompt="Thank the caller."))
    lost = made.add(type="endCall", name="lost", prompt="Say goodbye.", position=(300, 200))
    made.add_typed(GlobalNode(prompt="Be kind."))
    made.add_typed(Trigger())
    made.add_typed(
        Webhook(
            endpoint_url="https://crm.example/calls",
            credential_uuid=credential,
            custom_headers=[Header(key="X-Source", value="cairn")],
        )
    )
    made.add_typed(Qa())
    made.edge(
        start, qualify, label="interested", condition="The caller is interested.", transition_speech="One moment."
    )
    made.edge(start, lost, label="not interested", condition="The caller is not interested.")
    made.edge(qualify, done, label="done", condition="All is known.")
    return made


async def test_a_workflow_is_built_kept_read_changed_and_kept_again(sdk: DograhClient, caller: Caller) -> None:
    credential = (await caller.http.post("/api/v1/credentials/", json=CREDENTIAL)).json()["uuid"]
    built = await call(build, sdk, native_uuid("calculate"), credential)
    body = CreateWorkflowRequest(name=built.name, workflow_definition=built.to_json())
    made = await call(sdk.create_workflow, body=body)
    assert (made.name, made.version_number, made.version_status, made.total_runs) == (built.name, 1, "published", 0)
    (trigger,) = [node for node in made.workflow_definition["nodes"] if node["type"] == "trigger"]
    assert trigger["data"]["trigger_path"]

    (listed,) = await call(sdk.list_workflows)
    assert (listed.id, listed.workflow_uuid, listed.status) == (made.id, made.workflow_uuid, "active")
    assert await call(sdk.list_workflows, status="archived") == []

    loaded = await call(sdk.load_workflow, made.id)
    assert loaded.to_json()["edges"] == built.to_json()["edges"]
    again = loaded.add(type="agentNode", name="again", prompt="Ask again.")
    loaded.edge(loaded.find_node("2"), again, label="unclear", condition="It is not clear.")
    loaded.edge(again, loaded.find_node(lambda node: node.data["name"] == "done"), label="clear", condition="It is.")
    loaded.name = "renamed"
    saved = await call(sdk.save_workflow, made.id, loaded)
    assert (saved.name, saved.version_number, saved.version_status) == ("renamed", 2, "draft")
    read = await call(sdk.get_workflow, made.id)
    assert len(read.workflow_definition["nodes"]) == 9 and read.current_definition_id == saved.current_definition_id
    settings = UpdateWorkflowRequest(workflow_configurations={"max_call_duration": 60, "own": 1})
    assert (await call(sdk.update_workflow, made.id, body=settings)).workflow_configurations["own"] == 1


async def test_its_own_validation_knows_the_nodes(sdk: DograhClient) -> None:
    workflow = Workflow(client=sdk, name="w")
    for wrong in (
        {"type": "agentNode", "promt": "x"},
        {"type": "agentNode", "prompt": " "},
        {"type": "agentNode", "prompt": "x", "allow_interrupt": "yes"},
        {"type": "webhook", "http_method": "FETCH"},
        {"type": "startCall", "prompt": "x", "extraction_variables": [{"name": "n", "type": "date"}]},
    ):
        with pytest.raises(ValidationError):
            await call(workflow.add, **wrong)
    with pytest.raises(ValidationError, match="list_tools"):
        await call(workflow.add, type="agentNode", prompt="x", tool_uuids="t")
    with pytest.raises(SpecMismatchError):
        await call(workflow.add, type="nonsense")
    named = await call(workflow.add, type="agent", prompt="Say {{ x }}")
    assert workflow.to_json()["nodes"] == [
        {
            "id": named.id,
            "type": "agent",
            "position": {"x": 0, "y": 0},
            "data": {"name": "Agent", "prompt": "Say {{ x }}", "max_turns": 10},
        }
    ]


async def test_node_types_are_those_of_the_definition_format(sdk: DograhClient) -> None:
    listed = await call(sdk.list_node_types)
    assert listed.spec_version == sdk.spec_version == "1.0.0"
    names = [spec.name for spec in listed.node_types]
    assert names[:7] == ["startCall", "agentNode", "endCall", "globalNode", "trigger", "webhook", "qa"]
    sdk._spec_cache.clear()
    assert (await call(sdk.get_node_type, "subgraph")).display_name == "Subgraph"


async def test_every_template_passes_its_validation(sdk: DograhClient) -> None:
    for template in templates():
        await call(Workflow.from_json, template.template_json, client=sdk)


async def test_tools_credentials_documents_and_recordings(sdk: DograhClient, caller: Caller) -> None:
    definition = {
        "type": "http_api",
        "config": {
            "method": "POST",
            "url": "https://shop.example/orders",
            "parameters": [{"name": "order", "type": "string", "description": "Number."}],
        },
    }
    body = CreateToolRequest.model_validate(
        {"name": "Look up order", "description": "d", "category": "http_api", "definition": definition}
    )
    made = await call(sdk.create_tool, body=body)
    assert (made.name, made.category, made.status, made.icon) == ("Look up order", "http_api", "active", "globe")
    listed = await call(sdk.list_tools)
    assert listed[0] == made and {"calculate", "search_library"} <= {tool.name for tool in listed}
    assert await call(sdk.list_tools, status="active", category="http_api") == [made]
    assert await call(sdk.list_tools, status="archived") == []
    refused = CreateToolRequest.model_validate(
        {
            "name": "t",
            "category": "transfer_call",
            "definition": {"type": "transfer_call", "config": {"destination": "+491", "messageType": "none"}},
        }
    )
    with pytest.raises(ApiError) as error:
        await call(sdk.create_tool, body=refused)
    assert error.value.status_code == 422

    assert await call(sdk.list_credentials) == []
    kept = (await caller.http.post("/api/v1/credentials/", json=CREDENTIAL)).json()
    (credential,) = await call(sdk.list_credentials)
    assert (credential.uuid, credential.name, credential.credential_type) == (kept["uuid"], "CRM", "bearer_token")

    documents = await call(sdk.list_documents, status="completed", limit=5, offset=1)
    assert (documents.documents, documents.total, documents.limit, documents.offset) == ([], 0, 5, 1)
    recordings = await call(sdk.list_recordings, workflow_id=1, tts_provider="p")
    assert (recordings.recordings, recordings.total) == ([], 0)


async def test_others_see_nothing_of_it(sdk: DograhClient, callers: Callers) -> None:
    body = CreateToolRequest.model_validate(
        {"name": "t", "category": "calculator", "definition": {"type": "calculator"}}
    )
    made = await call(sdk.create_tool, body=body)
    other = await callers.new()
    with DograhClient(base_url=sdk.base_url, api_key=other.key) as theirs:
        assert made.tool_uuid not in [tool.tool_uuid for tool in await call(theirs.list_tools)]
    with DograhClient(base_url=sdk.base_url, api_key="wrong") as nobody, pytest.raises(ApiError) as error:
        await call(nobody.list_tools)
    assert error.value.status_code == 401
