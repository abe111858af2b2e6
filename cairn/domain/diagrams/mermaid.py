"""A picture as Mermaid's text (a flowchart)."""

from __future__ import annotations

import re

from cairn.domain.diagrams.model import Arrow, Box, Picture

_PLAIN = re.compile(r"[^A-Za-z0-9 .,_\-\u00a0-\ud7ff\uf900-\ufffd\U00010000-\U0010ffff]")
_SHAPES = {
    **dict.fromkeys(("start", "startCall", "trigger", "end", "endCall"), ("([", "])")),
    "condition": ("{", "}"),
    **dict.fromkeys(("parallel", "join"), ("[[", "]]")),
    **dict.fromkeys(("approval", "question", "wait"), ("[/", "/]")),
    "subgraph": ("[[", "]]"),
}
_CLASSES = {
    "reached": "fill:#e3f4e8,stroke:#2e7d4f",
    "running": "fill:#e4eefc,stroke:#1f5fbf,stroke-width:3px",
    "failed": "fill:#fde7e7,stroke:#b3261e,stroke-width:3px",
    "missing": "stroke-dasharray:4 3",
}


def mermaid(picture: Picture) -> str:
    """Return the text; names and labels in it are text alone, whatever they hold."""
    lines = ["flowchart TD"]
    lines += [f"  n{at}{_box(box)}" for at, box in enumerate(picture.boxes)]
    lines += [f"  n{arrow.source} {_arrow(arrow)} n{arrow.target}" for arrow in picture.arrows]
    lines += [f"  classDef {name} {style}" for name, style in _CLASSES.items()]
    for name in _CLASSES:
        members = ",".join(f"n{at}" for at, box in enumerate(picture.boxes) if _class(box) == name)
        lines += [f"  class {members} {name}"] if members else []
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    opening, closing = _SHAPES.get(box.kind or "", ("[", "]"))
    texts = [box.name, box.kind or "missing", box.note, _marks(box)]
    return f'{opening}"{"<br/>".join(_escape(text) for text in texts if text)}"{closing}'


def _marks(box: Box) -> str:
    steps = [str(mark.step) for mark in box.marks]
    shown = steps if len(steps) <= 4 else [*steps[:3], "…", steps[-1]]
    return f"◆ {', '.join(shown)}" if steps else ""


def _arrow(arrow: Arrow) -> str:
    line = "==>" if arrow.taken else "-->" if arrow.on == "success" else "-.->"
    text = arrow.label + (f" ×{arrow.taken}" if arrow.taken > 1 else "")  # noqa: RUF001 - a sign of multiplication
    return f'{line}|"{_escape(text)}"|' if text.strip() else line


def _class(box: Box) -> str:
    return "missing" if box.kind is None else box.state


def _escape(text: str) -> str:
    """Return a text in which Mermaid finds no syntax, HTML or directive: all but letters and digits as numbers."""
    spaced = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", text)
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};" if not "\ud800" <= found[0] <= "\udfff" else "", spaced)
