"""The examples are valid graphs, and run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from installation import Cairn
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cairn.cli.graph_file import read_graph
from cairn.domain.tools import load_tools
from cairn.graph.model import Definition
from cairn.graph.schema import validate_json
from cairn.graph.validate import ValidationContext, validate
from cairn.settings import Settings

FOLDER = Path(__file__).parents[2] / "examples"
GRAPHS = sorted(file for file in FOLDER.iterdir() if file.suffix != ".md")

each_graph = pytest.mark.parametrize("file", GRAPHS, ids=lambda file: file.name)


def test_every_example_is_in_the_list() -> None:
    listed = (FOLDER / "README.md").read_text()
    assert [file.name for file in GRAPHS if f"[{file.name}]({file.name})" not in listed] == []
    assert len(GRAPHS) >= 4


@each_graph
def test_it_is_valid_and_so_is_its_input(file: Path) -> None:
    definition = read_graph(file)
    known = ValidationContext(known_tools=frozenset(load_tools(Settings()).names()))
    assert validate(Definition.model_validate(definition), known) == []
    schema = definition["input_schema"]
    assert [validate_json(schema, example) for example in schema["examples"]] == [[]]


@each_graph
async def test_it_runs_to_its_end(cairn: Cairn, file: Path) -> None:
    definition = read_graph(file)
    execution = await cairn.run(definition, definition["input_schema"]["examples"][0])
    done = await cairn.reach(execution.id, "completed")
    assert all(value is not None for name, value in done.output_data.items() if name != "review"), done.output_data
    assert len(done.checkpoints) > 2


async def test_research_is_reviewed_until_the_reviewer_agrees(cairn: Cairn) -> None:
    sent: list[dict[str, Any]] = []

    async def review(request: Request) -> JSONResponse:
        sent.append(await request.json())
        return JSONResponse({"approved": len(sent) == 2, "remarks": "Say more of retries."})

    definition = read_graph(FOLDER / "research.json")
    async with serve(Starlette(routes=[Route("/review", review, methods=["POST"])])) as url:
        given = {**definition["input_schema"]["examples"][0], "review_url": f"{url}/review"}
        done = await cairn.reach((await cairn.run(definition, given)).id, "completed")
    assert done.output_data["review"] == {"approved": True, "remarks": "Say more of retries."}
    assert [(each["topic"], bool(each["report"])) for each in sent] == [("durable agents", True)] * 2
    assert sent[1]["report"] == done.output_data["report"]
