"""Context blocks over the API: listed, rendered, made ready, and given to turns."""

from __future__ import annotations

import pytest
from agentflow_agents import AGENT, execution, make
from chatting import CONVERSATIONS, asked, asking, begun, post, reply, told
from installation import Cairn
from served import Caller, Callers
from servers.openai_server import OpenAIServer, text, tool_calls

from cairn.contracts.json import JsonObject
from cairn.domain.context.service import LARGEST
from cairn.domain.tokens import count_tokens
from cairn.settings import Settings

BLOCKS = "/api/v1/prompt-blocks"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


async def block(author: Caller, name: str, body: str, **more) -> None:
    await post(author, BLOCKS, {"name": name, "body": body, **more}, 201)


async def listed(author: Caller, agent: str, **params) -> JsonObject:
    found = await author.http.get(f"{AGENT}{agent}/context/blocks", params=params)
    assert found.status_code == 200, found.text
    return found.json()


async def built(author: Caller, agent: str, **body) -> list[tuple[str, str, bool]]:
    found = await post(author, f"{AGENT}{agent}/context/blocks/build", body)
    assert found["total_tokens"] == sum(each["tokens"] for each in found["blocks"])
    assert all(each["tokens"] == (count_tokens(each["content"]) if each["content"] else 0) for each in found["blocks"])
    return [(each["name"], each["content"], each["cached"]) for each in found["blocks"]]


async def test_the_blocks_of_an_agent_are_those_that_it_names(author: Caller) -> None:
    await block(author, "shop", "We sell stones.", description="The shop", mode="cached", ttl=60, order=1)
    await block(author, "off", "Nothing.", enabled=False)
    await block(author, "theirs", "Nothing.", agents=["another"])
    named = {"prompt_blocks": ["nowhere", "shop", "off"], "context_blocks": ["theirs", "memory_core", "conversation"]}
    agent = (await make(author, **named))["id"]
    found = await listed(author, agent)
    assert found["blocks"][0] == {
        "name": "shop",
        "description": "The shop",
        "source": "prompt_block",
        "cacheable": True,
        "ttl_seconds": 60,
        "tokens": None,
        "message": "system",
        "scope": "conversation",
        "order": 1,
    }
    sources = [(each["name"], each["source"], each["cacheable"]) for each in found["blocks"][1:]]
    assert sources == [("conversation", "conversation", False), ("memory_core", "memory", True)]
    assert {each["name"]: each["reason"] for each in found["skipped"]} == {
        "nowhere": "there is no such block",
        "off": "it is not enabled",
        "theirs": "it is for other agents",
    }
    page = await listed(author, agent, page=2, page_size=2)
    assert [each["name"] for each in page["blocks"]] == ["memory_core"]
    assert (page["total"], page["page"], page["page_size"]) == (3, 2, 2)
    await post(author, f"{AGENT}{agent}/context/preload")
    assert (await listed(author, agent))["blocks"][0]["tokens"] == count_tokens("<shop>We sell stones.</shop>")
    assert (await listed(author, (await make(author))["id"])) == {
        "blocks": [], "total": 0, "page": 1, "page_size": 20, "skipped": [],
    }  # fmt: skip


async def test_blocks_are_built_with_variables_and_for_a_conversation(author: Caller) -> None:
    await block(author, "greeting", "Greet {{ who | everybody }}.", scope="turn")
    agent = (await make(author, context_blocks=["greeting", "conversation", "agent_roster"]))["id"]
    assert await built(author, agent) == [
        ("conversation", "", False),
        ("agent_roster", "", False),
        ("greeting", "<greeting>Greet everybody.</greeting>", False),
    ]
    names = ["greeting"]
    assert await built(author, agent, blocks=names, variables={"who": "</greeting> all"}) == [
        ("greeting", "<greeting>Greet <\\/greeting> all.</greeting>", False)
    ]
    conversation = (await begun(author, agent, title="Stones", metadata={"who": "Ann"}))["id"]
    (about, _, greeting) = await built(author, agent, conversation_id=conversation)
    assert greeting[1] == "<greeting>Greet Ann.</greeting>"
    assert "title: Stones\nchannel: api\nuser_id: " in about[1] and 'metadata: {"who":"Ann"}' in about[1]
    (bob,) = await built(author, agent, blocks=names, conversation_id=conversation, variables={"who": "Bob"})
    assert bob[1] == "<greeting>Greet Bob.</greeting>"


async def test_named_blocks_need_not_be_the_agents(author: Caller) -> None:
    await block(author, "shop", "We sell stones.", enabled=False)
    await block(author, "theirs", "Nothing.", agents=["another"], mode="cached")
    await block(author, "loop", "{% for each in items %}{{ each }}{% endfor %}")
    agent = (await make(author))["id"]
    assert await built(author, agent, blocks=["shop", "shop"]) == [("shop", "<shop>We sell stones.</shop>", False)]
    path = f"{AGENT}{agent}/context/blocks/build"
    for body, status, place in (
        ({"blocks": ["nowhere"]}, 404, None),
        ({"conversation_id": "nothing"}, 404, None),
        ({"blocks": ["shop", "theirs"]}, 422, ["body", "blocks", 1]),
        ({"blocks": ["loop"], "variables": {"items": 5}}, 422, ["body", "variables"]),
        ({"blocks": ["current_time"], "variables": {"timezone": "x"}}, 422, ["body", "variables", "timezone"]),
        ({"blocks": "shop"}, 422, ["body", "blocks"]),
    ):
        refused = await author.http.post(path, json=body)
        assert refused.status_code == status, refused.text
        assert place is None or refused.json()["detail"][0]["loc"] == place
    refused = await author.http.post(f"{AGENT}{agent}/context/preload", json={"blocks": ["theirs"]})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "blocks", 0])


async def test_blocks_are_ready_before_a_turn(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, prompt_blocks=["shop", "nowhere", "now"]))["id"]
    for name, mode in (("shop", "cached"), ("now", "real_time")):
        await block(author, name, "We sell {{ what | stones }}.", mode=mode, scope="turn")
    path = f"{AGENT}{agent}/context/preload"
    first, again = [(await author.http.post(path)).json()["loaded"] for _ in range(2)]
    assert [(each["name"], each["cached"]) for each in first] == [("shop", False)] and first[0]["tokens"] > 3
    assert again == [{**first[0], "cached": True}]
    for blocks, status in ((["shop"], 200), (["now"], 422), (["nowhere"], 404)):
        assert (await author.http.post(path, json={"blocks": blocks})).status_code == status
    assert (await author.http.post(path, json={"conversation_id": "nothing"})).status_code == 404
    assert (await author.http.post(f"{AGENT}none/context/preload")).status_code == 404
    server.will(text("Yes."), text("Yes."))
    for metadata, cached in (({"case": 1}, True), ({"what": "sand"}, False)):
        said = await reply(author, agent, "Open?", metadata=metadata)
        assert await given(author, said["execution_id"]) == [("now", False), ("shop", cached)]


async def given(author: Caller, execution_id: str) -> list[tuple[str, bool]]:
    """Return what a turn was given, as its checkpoint tells it."""
    found = (await author.get(execution_id))["checkpoints"]
    (checkpoint,) = [each for each in found if each["node_id"] == "context"]
    known = await author.http.get(f"/api/v1/executions/{execution_id}/checkpoints/{checkpoint['id']}")
    outputs = known.json()["outputs"]["context"]
    assert outputs["tokens"] == sum(each["tokens"] for each in outputs["blocks"])
    return [(each["name"], each["cached"]) for each in outputs["blocks"]]


async def test_a_turn_is_given_its_blocks_and_people_see_what_was_said(author: Caller, server: OpenAIServer) -> None:
    await block(author, "house-style", "Be {{ manner | plain }}.", order=2, scope="turn")
    await block(author, "shop", "We sell stones.", order=1)
    await block(author, "case", "It is about {{ case }}.", message="user", scope="turn")
    await block(author, "silent", "{% if never %}x{% endif %}")
    values = {"instructions": "Be {{ brief }}.", "prompt_blocks": ["house-style", "silent", "shop"]}
    agent = (await make(author, **values, context_blocks=["case", "nowhere"], tools=["calculate"]))["id"]
    server.will(tool_calls(("calculate", {"expression": "6*7"})), text("42."), text("Still 42."))
    said = await reply(author, agent, "How much?", metadata={"manner": "polite", "case": "A"})
    system = "Be {{ brief }}.\n\n<shop>We sell stones.</shop>\n\n<house-style>Be polite.</house-style>"
    about = "<case>It is about A.</case>\n\nHow much?"
    for request in server.requests:  # both of the turn are told the same
        assert [(each["role"], each["content"]) for each in request["messages"][:2]] == [
            ("system", system),
            ("user", about),
        ]
    more = {"conversation_id": said["conversation_id"], "metadata": {"case": "B"}}
    await reply(author, agent, "Sure?", **more)
    now = asked(server)
    assert now[0] == ("system", system.replace("polite", "plain"))
    assert (now[1], now[-1]) == (("user", "How much?"), ("user", "<case>It is about B.</case>\n\nSure?"))
    found = await author.http.get(f"{CONVERSATIONS}/{said['conversation_id']}/messages")
    assert [each["content"] for each in found.json()["messages"]] == ["How much?", "42.", "Sure?", "Still 42."]


async def test_a_block_is_put_into_a_conversation_once(author: Caller, server: OpenAIServer) -> None:
    await block(author, "who", "You speak with {{ name }}.")
    agent = (await make(author, context_blocks=["who"]))["id"]
    server.will(*[text("Yes.")] * 6)
    first = await reply(author, agent, "Hi", metadata={"name": "Ann"})
    conversation = first["conversation_id"]
    await reply(author, agent, "Hi again", conversation_id=conversation, metadata={"name": "Bob"})
    assert asked(server)[0] == ("system", "<who>You speak with Ann.</who>")
    assert (await built(author, agent, conversation_id=conversation, variables={"name": "Bob"}))[0][1:] == (
        "<who>You speak with Ann.</who>",
        True,
    )
    await reply(author, agent, "Hi", metadata={"name": "Bob"})
    assert asked(server)[0] == ("system", "<who>You speak with Bob.</who>"), "another conversation has its own"
    fork = await post(author, f"{CONVERSATIONS}/{conversation}/fork", {"message_id": first["message_id"]}, 201)
    await reply(author, agent, "Hi", conversation_id=fork["id"])
    assert asked(server)[0] == ("system", "<who>You speak with Ann.</who>")
    await author.http.patch(f"{BLOCKS}/who", json={"body": "{{ name }} speaks."})
    await reply(author, agent, "Hi", conversation_id=conversation, metadata={"name": "Cid"})
    assert asked(server)[0] == ("system", "<who>Cid speaks.</who>")
    assert (await author.http.delete(f"{CONVERSATIONS}/{conversation}")).status_code == 204


async def test_a_run_without_a_conversation_has_them_too(author: Caller, server: OpenAIServer) -> None:
    await block(author, "shop", "We sell stones.")
    agent = (await make(author, prompt_blocks=["shop"]))["id"]
    server.will(text("Yes."))
    done = await author.reach((await execution(author, agent, "Open?"))["id"], "completed")
    assert done["output_data"] == {"content": "Yes."}
    assert asked(server) == [("system", "<shop>We sell stones.</shop>"), ("user", "Open?")]


async def test_a_turn_whose_blocks_cannot_be_rendered_asks_no_model(author: Caller, server: OpenAIServer) -> None:
    await block(author, "loop", "{% for each in items %}{{ each }}{% endfor %}", scope="turn")
    agent = (await make(author, prompt_blocks=["loop"]))["id"]
    body = {"message": "Hi", "stream": False, "metadata": {"items": 5}}
    failed = await author.http.post(f"{AGENT}{agent}/chat", json=body)
    assert (failed.status_code, failed.json()["code"]) == (502, "invalid_context")
    assert "'loop'" in failed.json()["detail"] and server.requests == []
    for index in range(LARGEST // 50_000 + 1):
        await block(author, f"large-{index}", "x" * 50_000)
    named = [f"large-{index}" for index in range(LARGEST // 50_000 + 1)]
    agent = (await make(author, prompt_blocks=named))["id"]
    assert (await told(author, agent, {"message": "Hi"}))[-1]["content"]["code"] == "context_too_large"
    refused = await author.http.post(f"{AGENT}{agent}/context/blocks/build")
    assert (refused.status_code, refused.json()["code"]) == (422, "context_too_large")


async def test_they_are_the_tenants_alone(author: Caller, cairn: Cairn) -> None:
    callers = Callers(str(author.http.base_url), cairn.database, cairn.settings)
    agent = (await make(author, prompt_blocks=["shop"]))["id"]
    other = await callers.new()
    own = (await make(other, prompt_blocks=["shop"]))["id"]
    await block(author, "shop", "We sell stones.")
    assert (await listed(other, own))["skipped"] == [{"name": "shop", "reason": "there is no such block"}]
    for method, path in (("GET", "blocks"), ("POST", "blocks/build"), ("POST", "preload")):
        assert (await other.http.request(method, f"{AGENT}{agent}/context/{path}")).status_code == 404
    conversation = (await begun(author, agent))["id"]
    for path in ("blocks/build", "preload"):
        body = {"conversation_id": conversation}
        assert (await other.http.post(f"{AGENT}{own}/context/{path}", json=body)).status_code == 404
    for scopes, statuses in ((["agents:read"], (403, 403, 403)), (["agents:run"], (403, 403, 200))):
        key = await callers.new(author.tenant, scopes=scopes)
        for (method, path), status in zip(
            (("GET", "blocks"), ("POST", "blocks/build"), ("POST", "preload")), statuses, strict=True
        ):
            assert (await key.http.request(method, f"{AGENT}{agent}/context/{path}")).status_code == status
    await callers.close()
