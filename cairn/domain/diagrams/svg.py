"""A picture as SVG. Every text of an author is escaped; there is no script, link or foreign resource in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from cairn.domain.diagrams.layout import Edge, Layout, Point, Route, Size
from cairn.domain.diagrams.model import Arrow, Box, Picture

SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""``Content-Security-Policy`` of a page that is nothing but such an SVG."""

_MARGIN = 16.0
_LINE = 16.0
_LONGEST = 34
_LETTER = 7.4
_SMALL = 6.2
_NOT_XML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE = """
text { font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1c2733; text-anchor: middle }
.name { font-weight: 600 } .kind, .note, .label { font-size: 11px; fill: #55606d }
.node rect { fill: #fff; stroke: #8793a1; stroke-width: 1.2 }
.start rect, .startCall rect, .trigger rect, .end rect, .endCall rect { rx: 20 }
.condition rect { fill: #fff8e6; stroke: #b88a1e } .agent rect, .agentNode rect { fill: #f0ecfb; stroke: #6a4fb6 }
.missing rect { stroke-dasharray: 4 3; fill: none }
.edge path { fill: none; stroke: #8793a1; stroke-width: 1.2 }
.edge.error path, .edge.timeout path { stroke-dasharray: 5 4 }
.label { paint-order: stroke; stroke: #fff; stroke-width: 3px }
.execution .planned { opacity: .45 } .execution .edge:not(.taken) { opacity: .45 }
.reached rect { fill: #e3f4e8; stroke: #2e7d4f } .edge.taken path { stroke: #2e7d4f; stroke-width: 2.2 }
.running rect { fill: #e4eefc; stroke: #1f5fbf; stroke-width: 2.4 }
.failed rect { fill: #fde7e7; stroke: #b3261e; stroke-width: 2.4 }
.checkpoint path { fill: #b88a1e } .checkpoint text { font-size: 10px; fill: #7a5a0c; text-anchor: start }
"""


def sizes(picture: Picture) -> tuple[list[Size], list[Edge]]:
    """Return what is to be laid out."""
    boxes = [_box_size(box) for box in picture.boxes]
    return boxes, [Edge(arrow.source, arrow.target, _label_size(arrow)) for arrow in picture.arrows]


def svg(picture: Picture, layout: Layout, boxes: Sequence[Size]) -> str:
    """Return the picture with what is on it where the layout says."""
    width, height = layout.size[0] + 2 * _MARGIN, layout.size[1] + 2 * _MARGIN
    of = "execution" if picture.of_execution else "graph"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" class="{of}" role="img">',
        f"<title>{_text(picture.title)}</title>",
        f"<style>{_STYLE}</style>",
        *_heads(),
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
        *(_edge(arrow, picture, route) for arrow, route in zip(picture.arrows, layout.routes, strict=True)),
        *(_node(*each) for each in zip(picture.boxes, layout.boxes, boxes, strict=True)),
        "</g></svg>\n",
    ]
    return "\n".join(parts)


def _heads() -> list[str]:
    head = (
        '<marker id="{}" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="9" markerHeight="9" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1 L10 5 L0 9 z" fill="{}"/></marker>'
    )
    return ["<defs>", head.format("head", "#8793a1"), head.format("taken", "#2e7d4f"), "</defs>"]


def _node(box: Box, middle: Point, size: Size) -> str:
    x, y = middle[0] - size[0] / 2, middle[1] - size[1] / 2
    texts = _texts(box)
    first = middle[1] - (len(texts) - 1 + _marks_lines(box)) * _LINE / 2 + 4
    lines = [
        f'<text class="{line}" x="{middle[0]:.1f}" y="{first + at * _LINE:.1f}">{_text(_cut(text))}</text>'
        for at, (line, text) in enumerate(texts)
    ]
    kind = box.kind or "missing"
    return (
        f'<g class="node {_class(kind)} {box.state}" data-node={_attribute(box.id)}>'
        f"<title>{_text(box.name)} ({_text(kind)}, {_text(box.id)})</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" rx="6"/>'
        f"{''.join(lines)}{_marks(box, (x, y), size)}</g>"
    )


def _marks(box: Box, corner: Point, size: Size) -> str:
    if not box.marks:
        return ""
    x, y = corner[0] + 6, corner[1] + size[1] - 5
    steps = [str(mark.step) for mark in box.marks]
    shown = " ".join(steps) if len(steps) <= 4 else f"{steps[0]} … {steps[-1]}"
    told = "\n".join(f"checkpoint {mark.step}: {mark.id}" for mark in box.marks)
    return (
        f'<g class="checkpoint" data-checkpoints={_attribute(" ".join(mark.id for mark in box.marks))}>'
        f'<title>{_text(told)}</title><path d="M{x:.1f} {y:.1f} l4 -8 l4 8 z"/>'
        f'<text x="{x + 11:.1f}" y="{y:.1f}">{shown}</text></g>'
    )


def _edge(arrow: Arrow, picture: Picture, route: Route) -> str:
    classes = f"edge {_class(arrow.on)}{' taken' if arrow.taken else ''}"
    ends = [picture.boxes[at].id for at in (arrow.source, arrow.target)]
    label, (x, y) = _label(arrow), route.label
    shown = f'<text class="label" x="{x:.1f}" y="{y + 4:.1f}">{_text(_cut(label))}</text>' if label else ""
    return (
        f'<g class="{classes}" data-edge={_attribute(arrow.id)} data-source={_attribute(ends[0])} '
        f"data-target={_attribute(ends[1])}><title>{_text(arrow.label or arrow.id)}</title>"
        f'<path d="{_path(route)}" marker-end="url(#{"taken" if arrow.taken else "head"})"/>{shown}</g>'
    )


def _path(route: Route) -> str:
    first, *rest = [f"{x:.1f} {y:.1f}" for x, y in route.points]
    drawn = f"M{first} {'C' if route.curved else 'L'}{' '.join(rest)}"
    return drawn if route.points[-1] == route.tip else f"{drawn} L{route.tip[0]:.1f} {route.tip[1]:.1f}"


def _texts(box: Box) -> list[tuple[str, str]]:
    texts = [("name", box.name), ("kind", box.kind or "missing"), ("note", box.note)]
    return [(kind, text) for kind, text in texts if text]


def _box_size(box: Box) -> Size:
    texts = [_width(_cut(text), _LETTER if kind == "name" else _SMALL) for kind, text in _texts(box)]
    return max(72.0, max(texts) + 24), (len(texts) + _marks_lines(box)) * _LINE + 14


def _marks_lines(box: Box) -> float:
    return 0.8 if box.marks else 0.0


def _label_size(arrow: Arrow) -> Size | None:
    label = _label(arrow)
    return (_width(_cut(label), _SMALL) + 8, _LINE) if label else None


def _label(arrow: Arrow) -> str:
    return arrow.label + (f" ×{arrow.taken}" if arrow.taken > 1 else "")  # noqa: RUF001 - a sign of multiplication


def _width(text: str, letter: float) -> float:
    return sum(letter * (1.8 if unicodedata.east_asian_width(character) in "WF" else 1) for character in text)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text))


def _class(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "", name)
