"""Where the boxes and arrows of a picture go: laid out by Graphviz in a child process, in bounded time.

What Graphviz does not manage in time is laid out plainly: rows by the distance from where the graph begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.observability import get_logger

Point = tuple[float, float]
Size = tuple[float, float]

SECONDS = 10.0
"""So long Graphviz may work on one picture, and a picture wait for its turn."""

AT_ONCE = 2
"""Pictures that one process has laid out side by side."""

_CHILD = Path(__file__).with_name("layout_child.py")
_GAP = 24.0
_ROW = 30
_EFFORTS: list[tuple[int, dict[str, str]]] = [
    (400, {"nodesep": "0.4", "ranksep": "0.5"}),
    (2000, {"nslimit": "0.5", "nslimit1": "0.5", "mclimit": "0.1"}),
    (10**9, {"nslimit": "0.01", "nslimit1": "0.01", "mclimit": "0.01", "splines": "line"}),
]
"""How hard Graphviz tries, by the number of boxes and arrows; labels of the largest pictures are not laid out."""
_LABELLED = 2000

_log = get_logger("cairn.diagrams")
_places: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow to lay out: from a box to a box, by their indexes, with a label of a size."""

    source: int
    target: int
    label: Size | None


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow that was laid out.

    Attributes:
        points: a point and then three for each Bézier curve, or a line's two ends.
        curved: which of both.
        tip: where it points at.
        label: the middle of its label.
    """

    points: Sequence[Point]
    curved: bool
    tip: Point
    label: Point


@dataclass(frozen=True, slots=True)
class Layout:
    """Places, in points from the top left; those of boxes are their middles."""

    size: Size
    boxes: Sequence[Point]
    routes: Sequence[Route]


async def lay_out(boxes: Sequence[Size], edges: Sequence[Edge], seconds: float = SECONDS) -> Layout:
    """Return the places of boxes and arrows, at worst after twice the time given, and never in the event loop."""
    try:
        async with asyncio.timeout(seconds):
            await _turn().acquire()
    except TimeoutError:
        return await asyncio.to_thread(plain, boxes, edges)
    try:
        reply = await _by_graphviz(boxes, edges, seconds)
    finally:
        _turn().release()
    if reply is None:
        _log.info("picture is laid out plainly", boxes=len(boxes), arrows=len(edges))
        return await asyncio.to_thread(plain, boxes, edges)
    return await asyncio.to_thread(_read, reply)


def _turn() -> asyncio.Semaphore:
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


async def _by_graphviz(boxes: Sequence[Size], edges: Sequence[Edge], seconds: float) -> bytes | None:
    request = await asyncio.to_thread(_request, boxes, edges)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(_CHILD)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
    )
    try:
        async with asyncio.timeout(seconds):
            reply, _ = await process.communicate(request)
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return reply if process.returncode == 0 else None


def _request(boxes: Sequence[Size], edges: Sequence[Edge]) -> bytes:
    size = len(boxes) + len(edges)
    options = next(options for most, options in _EFFORTS if size <= most)
    labelled = size <= _LABELLED
    arrows = [(edge.source, edge.target, *(edge.label if labelled and edge.label else (0, 0))) for edge in edges]
    return json.dumps({"boxes": list(boxes), "arrows": arrows, "options": options}).encode()


def _read(reply: bytes) -> Layout:
    told: dict[str, Any] = json.loads(reply)
    width, height = told["size"]

    def point(text: str) -> Point:
        x, y = text.split(",")
        return float(x), height - float(y)  # Graphviz counts from the bottom

    def route(text: str, label: str | None) -> Route:
        parts = text.split(" ")
        tip = point(parts.pop(0).removeprefix("e,"))
        points = [point(part) for part in parts]
        return Route(points, True, tip, point(label) if label else _middle(points))

    return Layout((width, height), [point(each) for each in told["boxes"]], [route(*each) for each in told["arrows"]])


def _middle(points: Sequence[Point]) -> Point:
    if len(points) % 2:
        return points[len(points) // 2]
    (x1, y1), (x2, y2) = points[len(points) // 2 - 1], points[len(points) // 2]
    return (x1 + x2) / 2, (y1 + y2) / 2


def plain(boxes: Sequence[Size], edges: Sequence[Edge]) -> Layout:
    """Lay out in rows by the distance from where the graph begins, in linear time; arrows are straight."""
    places: list[Point] = [(0.0, 0.0)] * len(boxes)
    top = widest = 0.0
    for row in _rows(len(boxes), edges):
        height = max(boxes[at][1] for at in row)
        left = 0.0
        for at in row:
            places[at] = (left + boxes[at][0] / 2, top + height / 2)
            left += boxes[at][0] + _GAP
        top, widest = top + height + 2 * _GAP, max(widest, left - _GAP)
    return Layout((widest, max(0.0, top - 2 * _GAP)), places, [_straight(edge, boxes, places) for edge in edges])


def _rows(count: int, edges: Sequence[Edge]) -> list[list[int]]:
    following: list[list[int]] = [[] for _ in range(count)]
    headed = [False] * count
    for edge in edges:
        following[edge.source].append(edge.target)
        headed[edge.target] = headed[edge.target] or edge.source != edge.target
    depth = [-1] * count
    for first in [at for at in range(count) if not headed[at]] + list(range(count)):
        if depth[first] < 0:
            depth[first] = 0
            waiting = deque([first])
            while waiting:
                at = waiting.popleft()
                for target in following[at]:
                    if depth[target] < 0:
                        depth[target] = depth[at] + 1
                        waiting.append(target)
    by_depth: dict[int, list[int]] = {}
    for at in range(count):
        by_depth.setdefault(depth[at], []).append(at)
    levels = [by_depth[level] for level in sorted(by_depth)]
    return [level[start : start + _ROW] for level in levels for start in range(0, len(level), _ROW)]


def _straight(edge: Edge, boxes: Sequence[Size], places: Sequence[Point]) -> Route:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    half1, half2 = boxes[edge.source][1] / 2, boxes[edge.target][1] / 2
    if edge.source == edge.target:
        right = x1 + boxes[edge.source][0] / 2
        points = [(right, y1 - 6), (right + 24, y1 - 14), (right + 24, y1 + 14), (right, y1 + 6)]
        return Route(points, True, points[-1], (right + 18, y1))
    down = 1 if y2 >= y1 else -1
    begin, end = (x1, y1 + down * half1), (x2, y2 - down * half2)
    return Route([begin, end], False, end, ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2))
