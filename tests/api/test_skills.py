"""Skills over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from agentflow_agents import AGENT, make
from installation import Cairn
from served import Caller, Callers, served

SKILLS = "/api/v1/skills"
DOCUMENT = "---\nname: {name}\ndescription: Does {name}.\nlicense: MIT\n---\n# {name}\n"


@pytest.fixture
async def reader(lasting: Cairn, caller: Caller, tmp_path: Path) -> AsyncIterator[Caller]:
    """A caller of an API process whose skills are those of the test's folder."""
    settings = lasting.settings.model_copy(update={"skills_root": tmp_path / "skills"})
    async with served(settings) as url:
        there = Callers(url, lasting.database, settings)
        yield Caller(there.client({"X-API-Key": caller.key}), caller.tenant, caller.key)
        await there.close()


def add(root: Path, name: str, **files: bytes) -> None:
    folder = root / "skills" / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(DOCUMENT.format(name=name))
    for path, content in files.items():
        (folder / path).write_bytes(content)


async def test_skills_are_listed_by_name_page_by_page(reader: Caller, tmp_path: Path) -> None:
    empty = {"skills": [], "total": 0, "page": 1, "page_size": 20, "skipped": []}
    assert (await reader.http.get(SKILLS)).json() == empty
    for name in ("b", "c", "a"):
        add(tmp_path, name)
    (tmp_path / "skills" / "broken").mkdir()
    (tmp_path / "skills" / "broken" / "SKILL.md").write_text("# nothing said")
    (tmp_path / "skills" / "no-skill").mkdir()
    page = (await reader.http.get(f"{SKILLS}?page=2&page_size=2")).json()
    assert ([each["name"] for each in page["skills"]], page["total"]) == (["c"], 3)
    assert page["skipped"] == [
        {"folder": "broken", "reason": "SKILL.md does not begin with front matter between two lines ---"}
    ]
    first = (await reader.http.get(SKILLS)).json()["skills"][0]
    assert first == {
        "name": "a",
        "description": "Does a.",
        "license": "MIT",
        "compatibility": None,
        "metadata": {},
        "allowed_tools": None,
        "files": [{"path": "SKILL.md", "type": "text/markdown; charset=utf-8", "size": 54}],
    }
    assert (await reader.http.get(f"{SKILLS}/a")).json() == {**first, "body": "# a"}
    for query in ("page=0", "page_size=101"):
        assert (await reader.http.get(f"{SKILLS}?{query}")).status_code == 422


async def test_files_come_as_they_are(reader: Caller, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n\0" * 100_000
    add(tmp_path, "a", **{"image.png": png, "guide.md": "é".encode()})
    document = await reader.http.get(f"{SKILLS}/a/content")
    assert (document.status_code, document.text) == (200, DOCUMENT.format(name="a"))
    assert document.headers["content-type"] == "text/markdown; charset=utf-8"
    image = await reader.http.get(f"{SKILLS}/a/content", params={"path": "image.png"})
    assert (image.content, image.headers["content-type"]) == (png, "image/png")
    assert image.headers["content-length"] == str(len(png))
    assert (
        image.headers["x-content-type-options"] == "nosniff" and "sandbox" in image.headers["content-security-policy"]
    )
    assert (await reader.http.get(f"{SKILLS}/a/content?path=guide.md")).text == "é"


async def test_what_is_not_there_and_what_leads_elsewhere(reader: Caller, tmp_path: Path) -> None:
    add(tmp_path, "a")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "skills" / "a" / "out.md").symlink_to(tmp_path / "secret")
    for name in ("b", "..", "%2e%2e", "..%2f..%2fetc", "a%00", "%2fetc", "a%0a", "A", "é"):
        for rest in ("", "/content", "/content?path=SKILL.md"):
            reply = await reader.http.get(f"{SKILLS}/{name}{rest}")
            assert reply.status_code == 404 and "secret" not in reply.text, name
    unknown = await reader.http.get(f"{SKILLS}/b")
    assert (unknown.json()["code"], unknown.json()["request_id"]) == (
        "skill_not_found",
        unknown.headers["X-Request-ID"],
    )
    for path in ("nothing.md", "out.md", "a\nb"):
        reply = await reader.http.get(f"{SKILLS}/a/content", params={"path": path})
        assert (reply.status_code, reply.json()["code"]) == (404, "skill_file_not_found"), path
    for path in ("../secret", "../../secret", "/etc/passwd", "a/../../../secret", "\0", ".hidden", "", "x" * 1025):
        reply = await reader.http.get(f"{SKILLS}/a/content", params={"path": path})
        assert reply.status_code == 422 and reply.json()["detail"][0]["loc"] == ["query", "path"], path


async def test_a_key_needs_the_scope(caller: Caller, callers: Callers) -> None:
    other = await callers.new(caller.tenant, scopes=["prompts:read"])
    for path in ("", "/a", "/a/content"):
        assert (await other.http.get(SKILLS + path)).status_code == 403
        assert (await callers.client().get(SKILLS + path)).status_code == 401
    reader = await callers.new(caller.tenant, scopes=["skills:read"])
    assert (await reader.http.get(SKILLS)).status_code == 200


async def test_the_skills_of_an_agent_are_those_that_it_names(
    reader: Caller, caller: Caller, callers: Callers, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        add(tmp_path, name)
    (tmp_path / "skills" / "broken").mkdir()
    (tmp_path / "skills" / "broken" / "SKILL.md").write_text("# nothing said")
    agent = await make(reader, skills=["c", "gone", "broken", "a"])
    path = f"{AGENT}{agent['id']}/skills"
    found = (await reader.http.get(path)).json()
    assert [each["name"] for each in found["skills"]] == ["a", "c"] and found["total"] == 2
    assert [each["folder"] for each in found["skipped"]] == ["broken", "gone"]
    page = (await reader.http.get(path, params={"page": 2, "page_size": 1})).json()
    assert [each["name"] for each in page["skills"]] == ["c"]
    assert (await reader.http.get(path, params={"page_size": 0})).status_code == 422
    foreign = await (await callers.new()).http.get(path)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "agent_not_found")
    for scopes in (["skills:read"], ["agents:read"]):
        poor = await callers.new(caller.tenant, scopes=scopes)
        assert (await poor.http.get(path)).status_code == 403
