"""A flame graph, and shares by package, from the stacks that a sampling profiler has seen."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

CAIRN, STEP, HAND, SANDBOX, SDK = "Cairn", "the step itself", "the workflow by hand", "workflow sandbox", "temporalio"
ASYNCIO, PYDANTIC, DATABASE, PROTOBUF, PYTHON = "asyncio", "pydantic", "database", "protobuf", "Python's library"

_GROUPS = {
    CAIRN: ("cairn", "workflows", "activities", "api", "worker"),
    STEP: ("sides", "bench_tools", "work"),
    HAND: ("handwritten",),
    SDK: ("temporalio",),
    ASYNCIO: ("asyncio", "selectors", "uvloop"),
    PYDANTIC: ("pydantic", "pydantic_core"),
    DATABASE: ("sqlalchemy", "sqlmodel", "psycopg", "psycopg_pool", "psycopg_binary", "aiosqlite", "sqlite3"),
    PROTOBUF: ("google", "protobuf"),
}
_BY_NAME = {name: group for group, members in _GROUPS.items() for name in members}
_COLOURS = {
    CAIRN: "#f08c4b",
    STEP: "#ffd43b",
    HAND: "#ffd43b",
    SANDBOX: "#e599f7",
    SDK: "#74c0fc",
    ASYNCIO: "#b2bac8",
    PYDANTIC: "#ff8fa3",
    DATABASE: "#8ce99a",
    PROTOBUF: "#99e9f2",
    PYTHON: "#dee2e6",
}
_OTHER = "#eebefa"
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>[^()]*?)(?::\d+)?\)")
_PREFIX = re.compile(r".*/(?:site-packages|python3\.\d+)/")
_WIDTH, _HEIGHT, _CHARACTER, _TOP = 1_200, 16, 6.7, 44
_LEAST = 0.003
"""Share below which a frame is not drawn."""


class Frame(NamedTuple):
    """One function on a stack.

    Attributes:
        group: of packages that it belongs to.
        label: function and file, without what the machine's folders are called.
    """

    group: str
    label: str

    @classmethod
    def of(cls, text: str) -> Frame:
        """Read a frame as py-spy writes it."""
        match = _FRAME.fullmatch(text)
        if match is None:
            return cls(PYTHON, text)
        file = _PREFIX.sub("", match["file"])
        file = file.rpartition("/")[2] if file.startswith("/") else file
        return cls(_group(file), f"{match['function']} ({file})")


def _group(file: str) -> str:
    name = file.partition("/")[0].removesuffix(".py")
    if file.startswith("temporalio/worker/workflow_sandbox/"):
        return SANDBOX
    if name in _BY_NAME:
        return _BY_NAME[name]
    return PYTHON if name in sys.stdlib_module_names or name.startswith("<") else name


Stacks = Sequence[tuple[Sequence[Frame], int]]


def read(lines: Iterable[str]) -> Stacks:
    """Read stacks, one a line with the number of its samples, outermost frame first."""
    parts = (line.rstrip().rpartition(" ") for line in lines)
    return [([Frame.of(each) for each in stack.split(";")], int(count)) for stack, _, count in parts if stack]


def shares(stacks: Stacks) -> dict[str, float]:
    """Return the share of each group, largest first.

    A sample counts for the innermost function that is not Python's own; what is compiled, for that which calls it.
    """
    found: Counter[str] = Counter()
    for frames, count in stacks:
        found[next((frame.group for frame in reversed(frames) if frame.group != PYTHON), PYTHON)] += count
    return {group: count / found.total() for group, count in found.most_common()}


@dataclass
class _Node:
    frame: Frame
    count: int = 0
    below: dict[Frame, _Node] = field(default_factory=dict["Frame", "_Node"])


def svg(title: str, stacks: Stacks) -> str:
    """Draw the flame graph, outermost functions at the bottom."""
    root = _Node(Frame(PYTHON, "all"))
    for frames, count in stacks:
        node = root
        node.count += count
        for frame in frames:
            node = node.below.setdefault(frame, _Node(frame))
            node.count += count
    drawn = list(_boxes(root, root.count, 0.0, 0))
    height = _TOP + (max((depth for *_, depth in drawn), default=0) + 1) * _HEIGHT
    lines = [_box(node, root.count, left, height - (depth + 1) * _HEIGHT) for node, left, depth in drawn]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            'font-family="monospace" font-size="11">',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            f'<text x="4" y="14" font-weight="bold">{escape(title)}</text>',
            *_legend(stacks),
            *lines,
            "</svg>\n",
        ]
    )


def _boxes(node: _Node, total: int, left: float, depth: int) -> Iterator[tuple[_Node, float, int]]:
    """Yield frames with their left edge, as a share of all, and their depth."""
    yield node, left, depth
    for each in sorted(node.below.values(), key=lambda below: below.frame.label):
        if each.count >= _LEAST * total:
            yield from _boxes(each, total, left, depth + 1)
            left += each.count / total


def _box(node: _Node, total: int, left: float, top: int) -> str:
    share = node.count / max(total, 1)
    width = share * _WIDTH
    room = int(width / _CHARACTER)
    label = node.frame.label if len(node.frame.label) <= room else f"{node.frame.label[: room - 1]}…" * (room > 2)
    colour = _COLOURS.get(node.frame.group, _OTHER)
    text = f'<text x="{left * _WIDTH + 2:.1f}" y="{top + 12}">{escape(label)}</text>' if label else ""
    return (
        f"<g><title>{escape(node.frame.label)}: {share:.1%}</title>"
        f'<rect x="{left * _WIDTH:.1f}" y="{top}" width="{max(width - 0.5, 0.5):.1f}" height="{_HEIGHT - 1}" '
        f'fill="{colour}"/>{text}</g>'
    )


def _legend(stacks: Stacks) -> Iterator[str]:
    left = 4.0
    for group, share in shares(stacks).items() if stacks else ():
        text = f"{group} {share:.0%}"
        if share < 0.01 or left > _WIDTH - 100:
            break
        yield f'<rect x="{left:.0f}" y="24" width="11" height="11" fill="{_COLOURS.get(group, _OTHER)}"/>'
        yield f'<text x="{left + 14:.0f}" y="34">{escape(text)}</text>'
        left += 14 + (len(text) + 2) * _CHARACTER
