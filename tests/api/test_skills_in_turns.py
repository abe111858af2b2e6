"""Skills in turns: the model is told what they are for, and loads what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from agentflow_agents import make
from chatting import asking, reply
from served import Caller
from servers.openai_server import OpenAIServer, text, tool_calls

from cairn.domain.tools.skills import LARGEST_READ
from cairn.settings import Settings

DOCUMENT = "---\nname: {name}\ndescription: Does {name}.\n---\n# {name}\n"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer, tmp_path: Path) -> Settings:
    """An installation with a model and skills, with each kind of database."""
    for name in ("refunds", "returns"):
        folder = tmp_path / "skills" / name
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(DOCUMENT.format(name=name))
    (tmp_path / "skills" / "refunds" / "rules.md").write_text("Ask a manager.")
    (tmp_path / "skills" / "refunds" / "photo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "skills" / "refunds" / "long.txt").write_bytes(b"x" * (LARGEST_READ + 1))
    return asking(settings, server).model_copy(update={"skills_root": tmp_path / "skills"})


async def test_a_model_is_told_of_skills_and_loads_them(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, instructions="Be kind.", skills=["refunds", "missing"]))["id"]
    asked = [{"skill": "refunds"}, {"skill": "refunds", "path": "rules.md"}]
    server.will(tool_calls(*[("read_skill", each) for each in asked]), text("Ask a manager."))
    said = await reply(author, agent, "Money back!")
    assert said["content"] == "Ask a manager."
    assert [each["result"] for each in said["tool_calls"]] == [
        {"skill": "refunds", "instructions": "# refunds", "files": ["long.txt", "photo.png", "rules.md"]},
        {"skill": "refunds", "path": "rules.md", "content": "Ask a manager."},
    ]
    first = server.requests[0]
    system = first["messages"][0]["content"]
    assert system.startswith("Be kind.\n\n<skills>") and system.endswith("\n- refunds: Does refunds.</skills>")
    assert [each["function"]["name"] for each in first["tools"]] == ["read_skill"]
    assert server.requests[1]["messages"][0]["content"] == system


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"skill": "missing"}, "skill_not_found"),
        ({"skill": "refunds", "path": "none.md"}, "skill_file_not_found"),
        ({"skill": "refunds", "path": "../returns/SKILL.md"}, "invalid_input"),
        ({"skill": "refunds", "path": "photo.png"}, "not_a_text"),
        ({"skill": "refunds", "path": "long.txt"}, "file_too_large"),
    ],
)
async def test_what_cannot_be_read_is_told_to_the_model(
    author: Caller, server: OpenAIServer, arguments: dict[str, str], code: str
) -> None:
    agent = (await make(author, skills=["refunds"]))["id"]
    server.will(tool_calls(("read_skill", arguments)), text("I cannot."))
    said = await reply(author, agent, "Money back!")
    assert said["content"] == "I cannot." and said["tool_calls"][0]["error"]["code"] == code


async def test_an_agent_without_skills_has_nothing_of_it(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, instructions="Be kind."))["id"]
    server.will(text("Yes."))
    await reply(author, agent, "Hi")
    (request,) = server.requests
    assert request["messages"][0]["content"] == "Be kind." and not request.get("tools")
