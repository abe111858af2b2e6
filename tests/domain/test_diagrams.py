"""Pictures of graphs: every node and edge is there, boxes stand apart, and no text of an author is more than text."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from xml.etree import ElementTree

import pytest
from graphs import edge, node, sequence

from cairn.contracts.json import JsonObject
from cairn.domain.diagrams import draw_definition, layout
from cairn.domain.diagrams.layout import Edge, lay_out, plain
from cairn.domain.diagrams.mermaid import mermaid
from cairn.domain.diagrams.model import picture_of
from cairn.domain.diagrams.svg import sizes, svg

SVG = "{http://www.w3.org/2000/svg}"

BRANCHES = {
    "nodes": [
        node("start", "start"),
        node("fork", "parallel"),
        *(node(f"b{n}", "tool", tool="t") for n in range(5)),
        node("join", "join"),
        node("check", "condition"),
        node("end", "end"),
    ],
    "edges": [
        edge("start", "fork"),
        *(edge("fork", f"b{n}", f"branch {n}") for n in range(5)),
        *(edge(f"b{n}", "join") for n in range(5)),
        edge("join", "check"),
        edge("check", "fork", "once more, and a label that is rather longer than what is shown of it"),
        edge("check", "check", "itself"),
        edge("check", "end", "one"),
        edge("check", "end", "two"),
        edge("b1", "end", "failed", on="error"),
    ],
}

EVIL = "]]>\"'</title></text><script>alert(1)</script><a href='javascript:x'>&amp;\x00\x1b\ud800\u2028%%{init: {}}%%\n"


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def groups(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [each for each in picture.iter(f"{SVG}g") if kind in each.get("class", "").split()]


def boxes(picture: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    rects = [each.find(f"{SVG}rect") for each in groups(picture, "node")]
    return [tuple(float(rect.get(name)) for name in ("x", "y", "width", "height")) for rect in rects]  # type: ignore


def overlapping(placed: list[tuple[float, float, float, float]]) -> int:
    return sum(
        ax < bx + bw and bx < ax + aw and ay < by + bh and by < ay + ah
        for (ax, ay, aw, ah), (bx, by, bw, bh) in itertools.combinations(placed, 2)
    )


async def test_every_node_and_edge_is_in_the_picture_and_boxes_stand_apart() -> None:
    picture = parsed(await draw_definition(BRANCHES, "branches", "svg"))
    assert [each.get("data-node") for each in groups(picture, "node")] == [each["id"] for each in BRANCHES["nodes"]]
    drawn = [
        tuple(each.get(f"data-{name}") for name in ("edge", "source", "target")) for each in groups(picture, "edge")
    ]
    assert drawn == [(each["id"], each["source"], each["target"]) for each in BRANCHES["edges"]]
    assert all(each.find(f"{SVG}path").get("d", "").startswith("M") for each in groups(picture, "edge"))
    assert len(groups(picture, "error")) == 1
    assert overlapping(boxes(picture)) == 0
    width, height = float(picture.get("width")), float(picture.get("height"))
    assert all(x >= 0 and x + w <= width and y >= 0 and y + h <= height for x, y, w, h in boxes(picture))
    labels = [each.text for each in picture.iter(f"{SVG}text") if each.get("class") == "label"]
    assert "branch 3" in labels and any(label.endswith("…") for label in labels)


async def test_arrows_begin_and_end_at_their_boxes() -> None:
    picture = parsed(await draw_definition(BRANCHES, "branches", "svg"))
    placed = dict(zip((each["id"] for each in BRANCHES["nodes"]), boxes(picture), strict=True))

    def near(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
        x, y, width, height = box
        return x - 3 <= point[0] <= x + width + 3 and y - 3 <= point[1] <= y + height + 3

    for each in groups(picture, "edge"):
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d", each.find(f"{SVG}path").get("d"))]
        assert near((numbers[0], numbers[1]), placed[each.get("data-source")]), each.get("data-edge")
        assert near((numbers[-2], numbers[-1]), placed[each.get("data-target")]), each.get("data-edge")


async def test_a_draft_that_is_wrong_has_a_picture_too() -> None:
    broken: JsonObject = {
        "nodes": [node("a", "tool"), node("a", "tool"), {"id": "b", "type": "no such kind"}],
        "edges": [edge("a", "gone"), {"id": "e", "source": "lost", "target": "b"}],
    }
    picture = parsed(await draw_definition(broken, "broken", "svg"))
    assert [each.get("data-node") for each in groups(picture, "node")] == ["a", "a", "b", "gone", "lost"]
    assert len(groups(picture, "missing")) == 2 and len(groups(picture, "edge")) == 2
    empty = parsed(await draw_definition({}, "empty", "svg"))
    assert groups(empty, "node") == []
    assert await draw_definition({}, "empty", "mermaid")


async def test_texts_of_authors_are_text() -> None:
    graph = sequence(node("evil", "tool", name=EVIL))
    graph["nodes"].append({"id": EVIL, "type": EVIL, "data": {"name": EVIL}})
    graph["edges"].append({"id": EVIL, "source": "evil", "target": EVIL, "data": {"label": EVIL, "on": EVIL}})
    drawn = await draw_definition(graph, EVIL, "svg")
    picture = parsed(drawn)
    drawn.encode()
    allowed = {"svg", "title", "style", "defs", "marker", "path", "g", "rect", "text"}
    assert {each.tag.removeprefix(SVG) for each in picture.iter()} == allowed
    names = {name for each in picture.iter() for name in each.attrib}
    assert not any(name.startswith("on") or "href" in name for name in names)
    assert any("<script>alert(1)</script>" in (each.text or "") for each in picture.iter(f"{SVG}title"))
    assert len(groups(picture, "node")) == 4 and len(groups(picture, "edge")) == 3


def test_mermaid_holds_no_syntax_of_authors() -> None:
    graph = sequence(node("evil", "condition", name=EVIL))
    graph["edges"][0]["data"]["label"] = EVIL
    text = mermaid(picture_of(graph, "t"))
    text.encode()
    lines = text.splitlines()
    assert lines[0] == "flowchart TD"
    assert len([line for line in lines if re.match(r"  n\d+[^ ]", line)]) == 3
    assert len([line for line in lines if "-->" in line]) == 2
    for each in re.findall(r'"([^"]*)"', text):
        assert not set(each.replace("<br/>", "")) & set('<>"`{}[]()|%&\\'), each
    assert "#60;script#62;" in text and "#37;#37;#123;init" in text


def test_mermaid_shows_the_way_of_edges() -> None:
    text = mermaid(picture_of(BRANCHES, "t"))
    assert 'n1 -->|"branch 0"| n2' in text and '-.->|"failed"|' in text
    assert text.count("-->") == len(BRANCHES["edges"]) - 1


def big(count: int) -> JsonObject:
    chance = random.Random(4)
    nodes = [node(f"n{at}", "tool") for at in range(count)]
    edges = [edge(f"n{chance.randrange(at)}", f"n{at}", f"e{at}") for at in range(1, count)]
    edges += [edge(f"n{chance.randrange(count)}", f"n{chance.randrange(count)}", f"x{at}") for at in range(count // 2)]
    return {"nodes": nodes, "edges": edges}


async def test_what_takes_too_long_is_laid_out_plainly_and_the_event_loop_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tangle that Graphviz would need an hour for."""
    monkeypatch.setattr(layout, "_EFFORTS", [(10**9, {})])
    picture = picture_of(big(2000), "tangle")
    found, edges = sizes(picture)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    placed = await lay_out(found, edges, seconds=0.5)
    watching.cancel()
    assert longest < 5  # it would have been the whole time, had it been laid out here
    drawn = parsed(svg(picture, placed, found))
    assert len(groups(drawn, "node")) == 2000 and len(groups(drawn, "edge")) == len(picture.arrows)
    assert overlapping(boxes(drawn)[:400]) == 0


async def test_a_picture_does_not_wait_for_ever_for_its_turn() -> None:
    for _ in range(layout.AT_ONCE):
        await layout._turn().acquire()
    try:
        placed = await lay_out([(50, 20), (50, 20)], [Edge(0, 1, None)], seconds=0.05)
    finally:
        for _ in range(layout.AT_ONCE):
            layout._turn().release()
    assert placed == plain([(50, 20), (50, 20)], [Edge(0, 1, None)])


def test_plain_rows_follow_the_distance_from_the_beginning() -> None:
    every = [(60.0, 20.0)] * 6
    edges = [Edge(0, 1, None), Edge(1, 2, None), Edge(2, 1, None), Edge(3, 3, None), Edge(4, 5, None), Edge(5, 4, None)]
    places = plain(every, edges).boxes
    assert places[0][1] < places[1][1] < places[2][1]
    assert places[3][1] == places[0][1] and places[5][1] > places[4][1]
