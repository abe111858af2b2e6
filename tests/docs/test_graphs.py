"""The guide to graphs: its graphs run, it names every member of every kind of node, and leads to the other guides."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from installation import Cairn
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cairn.graph.model import Definition, EdgeData, Limits, StateKey
from cairn.graph.nodes import KINDS
from cairn.graph.nodes.base import NodeData, RetryPolicy
from cairn.graph.nodes.voice import VOICE_KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "graphs.md").read_text()
EXECUTED = [name for name, kind in KINDS.items() if kind not in VOICE_KINDS]


ASKING, FETCHING, COUNTING = re.findall(r"^```json graph\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


async def test_its_first_graph_runs(cairn: Cairn) -> None:
    execution = await cairn.run(json.loads(ASKING), {"question": "what are heartbeats"})
    assert "heartbeat" in (await cairn.reach(execution.id, "completed")).output_data["answer"].lower()


async def test_its_graph_with_all_that_edges_can_do_runs(cairn: Cairn) -> None:
    pages = itertools.count(1)

    async def page(request: Request) -> PlainTextResponse:
        number = next(pages)
        return PlainTextResponse(f"page {number}", headers={"link": "next"} if number < 3 else {})

    graph = await cairn.publish(json.loads(FETCHING))
    async with serve(Starlette(routes=[Route("/", page)])) as url:
        execution = await cairn.start(graph, {"url": f"{url}/", "pages": 5})
        done = await cairn.reach(execution.id, "completed")
        lost = await cairn.start(graph, {"url": f"{url}/nowhere", "pages": 5})
        failed = await cairn.reach(lost.id, "failed")
    assert done.output_data["pages"] == 3
    assert all("page 3" in said for said in done.output_data["judgement"].values())
    assert set(done.output_data["judgement"]) == {"facts", "tone"}
    assert failed.error["message"].startswith(f"Fetching {url}/nowhere failed: ") and "404" in failed.error["message"]


async def test_its_graph_of_reducers_runs(cairn: Cairn) -> None:
    execution = await cairn.run(json.loads(COUNTING), {"topic": "tea"})
    told = (await cairn.reach(execution.id, "completed")).output_data
    assert told == {"words": 3, "profile": {"lang": "en", "topic": "tea"}, "notes": ["seen tea"]}


def names(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def row(first: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{first}`"))


@pytest.mark.parametrize("kind", EXECUTED)
def test_a_kinds_row_names_all_its_data(kind: str) -> None:
    told = names(row(kind))
    if kind == "question":
        told |= names(row("approval"))
    common = NodeData.model_fields.keys() - (
        {"timeout"} if KINDS[kind].waits_for else {"output"} if kind == "end" else set()
    )
    own = {field.alias or name for name, field in KINDS[kind].Data.model_fields.items() if name not in common}
    assert own - told == ({"rubric_id"} if kind == "score" else set())  # which is refused


def test_what_all_nodes_have_is_in_the_table() -> None:
    table = PAGE.partition("### Data of every node")[2].partition("### Kinds of nodes")[0]
    assert NodeData.model_fields.keys() | RetryPolicy.model_fields.keys() <= names(table)


def test_what_edges_and_definitions_have_is_named() -> None:
    assert EdgeData.model_fields.keys() <= names(PAGE.partition("### Edges")[2]) | names(PAGE.partition("Voice")[2])
    table = PAGE.partition("## The definition")[2].partition("### Data")[0]
    members = {field.alias or name for name, field in StateKey.model_fields.items()} | Limits.model_fields.keys()
    assert Definition.model_fields.keys() | members <= names(table)


@pytest.mark.parametrize("page", sorted(each.name for each in (ROOT / "docs").glob("*.md")))
def test_every_guide_is_in_the_list_of_the_readme(page: str) -> None:
    guides = (ROOT / "README.md").read_text().partition("## Guides")[2]
    assert f"(docs/{page})" in guides
