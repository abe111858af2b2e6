"""Graphs in files, read and validated without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cairn.cli.graph_file import read_graph
from cairn.errors import BadRequest

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn

YAML = """
nodes:
  - {id: start, type: start, data: {name: Start}}
  - {id: work, type: tool, data: {name: Work, tool: calculate, arguments: {expression: "'1 / 0'"}, timeout: 1.5e1}}
  - {id: end, type: end, data: {name: End, output: {done: true}}}
edges:
  - {id: a, source: start, target: work, data: {label: 2026-11-22}}
  - {id: b, source: work, target: end, data: {label: yes, on: error}}
  - {id: c, source: work, target: end, data: {label: 0x1F}}
"""


def written(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_yaml_keeps_texts_that_older_yaml_would_turn_into_something_else(tmp_path: Path) -> None:
    graph = read_graph(written(tmp_path, "g.yaml", YAML))
    assert [edge["data"] for edge in graph["edges"]] == [
        {"label": "2026-11-22"},
        {"label": "yes", "on": "error"},
        {"label": "0x1F"},
    ]
    assert graph["nodes"][1]["data"]["timeout"] == 15.0
    assert graph["nodes"][2]["data"]["output"] == {"done": True}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("g.json", "{", "is no JSON"),
        ("g.json", '{"nodes": NaN}', "JSON has no NaN"),
        ("g.json", "[]", "holds no graph"),
        ("g.json", b"\xff", "not UTF-8"),
        ("g.json", "[" * 100_000, "is no JSON"),
        ("g.yaml", "a: [", "is no YAML"),
        ("g.yml", "a: !!python/object:os.system x", "is no YAML"),
        ("g.yml", "- 1", "holds no graph"),
        ("missing.json", None, "cannot be read"),
    ],
)
def test_what_is_no_graph_is_told(tmp_path: Path, name: str, text: str | bytes | None, told: str) -> None:
    file = tmp_path / name if text is None else written(tmp_path, name, text)
    with pytest.raises(BadRequest, match=told):
        read_graph(file)


class TestValidate:
    def test_a_valid_graph_needs_no_server(self, cairn: Cairn, tmp_path: Path) -> None:
        result = cairn("graph", "validate", str(written(tmp_path, "g.yaml", YAML)), "--json")
        assert (result.returncode, json.loads(result.stdout)) == (0, {"is_valid": True, "errors": [], "warnings": []})

    def test_every_error_is_told_with_its_place(self, cairn: Cairn, tmp_path: Path) -> None:
        text = YAML.replace("calculate", "calculat").replace("target: work", "target: nowhere")
        file = str(written(tmp_path, "g.yaml", text))
        result = cairn("graph", "validate", file)
        assert result.returncode == 1
        assert "error    node work data.tool: Unknown tool: 'calculat'" in result.stdout
        assert "error    edge a target: Edge target does not exist: 'nowhere'" in result.stdout
        found = json.loads(cairn("graph", "validate", file, "--json").stdout)
        assert {error["id"] for error in found["errors"]} >= {"work", "a"}

    def test_tools_of_ones_own_are_known_by_their_modules(
        self, cairn: Cairn, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        file = str(written(tmp_path, "g.yaml", YAML.replace("calculate", "note")))
        assert cairn("graph", "validate", file).returncode == 1
        environment["CAIRN_TOOL_MODULES"] = '["system_tools"]'
        assert cairn("graph", "validate", file).returncode == 0

    def test_a_file_of_another_form_is_told_by_pointer(self, cairn: Cairn, tmp_path: Path) -> None:
        result = cairn("graph", "validate", str(written(tmp_path, "g.json", '{"nodes": [{"id": 1}]}')), "--json")
        assert result.returncode == 1
        assert "/nodes/0/id" in {error["pointer"] for error in json.loads(result.stdout)["error"]["errors"]}


def test_a_graph_in_a_file_is_drawn_without_a_server(cairn: Cairn, tmp_path: Path) -> None:
    file = written(tmp_path, "g.yaml", YAML)
    drawn = cairn("graph", "diagram", str(file), "-o", str(tmp_path / "g.svg"))
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "g.svg").read_text().count("data-node=") == 3
    text = cairn("graph", "diagram", str(file), "--format", "mermaid")
    assert text.stdout.startswith("flowchart TD\n") and text.stdout.count("n1 ") >= 2
    refused = cairn("graph", "diagram", str(file), "--version", "1")
    assert refused.returncode == 1 and "no versions" in refused.stderr
