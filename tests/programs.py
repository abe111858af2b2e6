"""Random graphs of all kinds, and a plain model that says what comes of them: no tokens, no history, no Temporal."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphs import edge, node
from hypothesis import strategies as st

from cairn.contracts.json import JsonObject

# A program is nested tuples: (kind, ...). A block is a list of programs that run one after the other.
Program: TypeAlias = tuple[Any, ...]
Block: TypeAlias = list[Program]

WORK = ("tool", "code", "score", "agent", "talking", "subgraph", "map", "question", "approval", "event", "time")
"""Kinds of one node that has work; ``talking`` is an agent that calls a tool."""
ASKING = "asking"
"""One more: an agent that calls two others and a tool."""


CONSTANT = ("score", "map", "approval", "time")
"""Kinds that give no number: a transform after them adds one."""
ADDED = {"add": 5, "late": 50, "racing": 20}
"""What kinds add that have no effect to be looked for: ``late`` waits in vain, ``racing`` ends or times out."""
ITEMS = (1, 2)
"""Items of every map."""
INTEGER: JsonObject = {"type": "integer"}


def value_of(node_id: str, visit: int) -> int:
    """Return what a node's work gives: the same at every try."""
    return (sum(map(ord, node_id)) * 7 + visit * 3) % 11


@st.composite
def programs(draw: st.DrawFn, *, every: bool = True, asking: bool = False) -> Block:
    """Draw a program, of every kind or without segments, joins of some branches and timeouts.

    Args:
        draw: draws.
        every: of every kind.
        asking: with agents that call others.
    """
    work = st.builds(lambda kind: (kind,), st.sampled_from((*WORK, ASKING) if asking else WORK))
    handled = st.just(("failing", True))

    tools = st.just([("tool",)])

    def blocks(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
        block = st.lists(inner, min_size=1, max_size=3)
        branches = st.lists(block, min_size=1, max_size=3)
        some = st.builds(
            lambda bad, needed, more: ("some", bad, needed, [[("tool",)]] * (needed + more)),
            st.integers(0, 2),
            st.integers(1, 3),
            st.integers(0, 1),
        )
        return st.one_of(
            *([some] if every else []),
            st.builds(lambda b: ("parallel", b), branches),
            st.builds(lambda b: ("first", b), st.lists(tools, min_size=2, max_size=3)),
            st.builds(
                lambda n, b: ("collect", n, b),
                st.integers(0, 2),
                st.lists(st.just([("tool",)]), min_size=1, max_size=2),
            ),
            st.builds(lambda n, b: ("loop", n, b), st.integers(1, 3), block),
            st.builds(lambda a, b: ("either", a, b), block, block),
        )

    leaf = st.one_of(work, work, handled, st.sampled_from([("add",), *([("late",), ("racing",)] if every else [])]))
    nested = st.recursive(leaf, blocks, max_leaves=6)
    branches = st.lists(st.lists(nested, min_size=1, max_size=2), min_size=2, max_size=3)
    wide = st.builds(lambda b: ("parallel", b), branches)
    program = draw(st.lists(st.one_of(wide, nested), min_size=1, max_size=4))
    if draw(st.integers(0, 5)) == 0:
        program.append(("failing", False))
    return [("segment", program)] if every and draw(st.integers(0, 3)) == 0 else program


class Failed(Exception):
    """The program fails for good."""


@dataclass
class Outcome:
    """What comes of a program.

    Attributes:
        total: the sum that it leaves in the state.
        failed: it ends as failed.
        effects: the work done, (kind, node id, visit), without what only the first of several branches decides.
    """

    total: int = 0
    failed: bool = False
    effects: list[tuple[str, str, int]] = field(default_factory=list)


class Model:
    """The plain model: it runs a program as a program runs, and remembers what it did."""

    def __init__(self, program: Block, prefix: str = "") -> None:
        self.outcome = Outcome()
        self._visits: dict[str, int] = {}
        self._ids = _Ids(prefix)
        labelled = self._ids.block(program)
        try:
            self._block(labelled)
        except Failed:
            self.outcome.failed = True

    def _visit(self, node_id: str) -> int:
        self._visits[node_id] = self._visits.get(node_id, 0) + 1
        return self._visits[node_id]

    def _block(self, block: Block) -> None:
        for program in block:
            self._run(program)

    def _run(self, program: Program) -> None:
        kind, node_id, *rest = program
        match kind:
            case "parallel":
                self._all(rest[0])
            case "first" | "some":
                pass  # which branches they are, is decided by who is first
            case "segment":
                self._block(rest[0])
            case "collect":
                self._all(rest[1])
            case "loop":
                self._all([rest[1]] * rest[0])
            case "either":
                self._block(rest[0] if self._visit(node_id) % 2 == 1 else rest[1])
            case _:
                self._leaf(kind, node_id, *rest)

    def _all(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._block(block)

    def _leaf(self, kind: str, node_id: str, handled: bool = True) -> None:
        visit = self._visit(node_id)
        if kind in ADDED:
            self.outcome.total += ADDED[kind]
        elif kind != "failing":
            self.outcome.effects.append((kind, node_id, visit))
            self.outcome.total += value_of(node_id, 0 if kind in CONSTANT else visit)
        elif handled:
            self.outcome.total += 100
        else:
            raise Failed


CODE = """
def run(input, state, node, visit):
    return (sum(map(ord, node)) * 7 + visit * 3) % 11
"""
GIVE: JsonObject = {"tool": "give", "arguments": {"node": "input.node", "visit": "input.visit"}}
_ASKED = [{"name": name, "workflow_id": "agent"} for name in ("one", "two")]
SUBGRAPH: JsonObject = {
    "nodes": [
        node("start", "start"),
        node("give", "tool", **GIVE),
        node("nap", "wait", seconds=0.02),
        node("end", "end", output={"total": "outputs.give"}),
    ],
    "edges": [edge("start", "give"), edge("give", "nap"), edge("nap", "end")],
}
"""The graph that is published as the one that subgraphs name."""
BODY: JsonObject = {
    "nodes": [
        node("start", "start"),
        node("give", "tool", tool="give", arguments={name: f"item.{name}" for name in ("node", "visit", "item")}),
        node("end", "end", output={"i": "index"}),
    ],
    "edges": [edge("start", "give"), edge("give", "end")],
}


def definition_of(program: Block, prefix: str = "", other: str = "other") -> JsonObject:
    """Return the program as a graph whose output is the total.

    Args:
        program: what it does.
        prefix: of the ids of its nodes.
        other: id of the graph that subgraphs name.
    """
    ids, graph = _Ids(prefix), _Graph(other)
    begin, end = graph.block(ids.block(program))
    loops = [n["id"] for n in graph.nodes if n["type"] == "transform" and n["id"] in n["data"]["set"]]
    return {
        "state": {key: {"reducer": "sum", "default": 0} for key in ("total", *loops)},
        "nodes": [node("start", "start"), *graph.nodes, node("end", "end", output={"total": "state.total"})],
        "edges": [edge("start", begin), *graph.edges, edge(end, "end")],
        "durability": graph.durability,
    }


class _Ids:
    """Names every part of a program, the same for the model and for the graph."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = itertools.count(1)

    def block(self, block: Block) -> Block:
        return [self.one(program) for program in block]

    def one(self, program: Program) -> Program:
        kind, *rest = program
        node_id = f"{self._prefix}{kind[0]}{next(self._count)}"
        match kind:
            case "segment":
                return kind, node_id, self.block(rest[0])
            case "some":
                return kind, node_id, rest[0], rest[1], [self.block(b) for b in rest[2]]
            case "parallel" | "first":
                return kind, node_id, [self.block(b) for b in rest[0]]
            case "collect":
                return kind, node_id, rest[0], [self.block(b) for b in rest[1]]
            case "loop":
                return kind, node_id, rest[0], self.block(rest[1])
            case "either":
                return kind, node_id, self.block(rest[0]), self.block(rest[1])
            case _:
                return kind, node_id, *rest


class _Graph:
    """Writes a program as a definition."""

    def __init__(self, other: str) -> None:
        self.other = other
        self.durability = "step"
        self.nodes: list[JsonObject] = []
        self.edges: list[JsonObject] = []

    def add(self, node_id: str, kind: str, **data: Any) -> str:
        self.nodes.append(node(node_id, kind, max_visits=1000, **data))
        return node_id

    def block(self, block: Block) -> tuple[str, str]:
        """Add the programs one after the other; return the first node and the last."""
        parts = [self.one(program) for program in block]
        for (_, end), (begin, _) in itertools.pairwise(parts):
            self.edges.append(edge(end, begin))
        return parts[0][0], parts[-1][1]

    def one(self, program: Program) -> tuple[str, str]:
        kind, node_id, *rest = program
        match kind:
            case "segment":
                self.durability = "segment"
                return self.block(rest[0])
            case "parallel":
                return self.fork(node_id, [(f"b{i}", b) for i, b in enumerate(rest[0])])
            case "first":
                return self.fork(node_id, [(f"b{i}", b) for i, b in enumerate(rest[0])], mode="any", quiet=True)
            case "collect":
                bad = [(f"f{i}", [("failing", f"{node_id}f{i}", False)]) for i in range(rest[0])]
                good = [(f"b{i}", b) for i, b in enumerate(rest[1])]
                return self.fork(node_id, bad + good, on_error="collect")
            case "some":
                bad = [(f"f{i}", [("failing", f"{node_id}f{i}", False)]) for i in range(rest[0])]
                good = [(f"b{i}", b) for i, b in enumerate(rest[2])]
                return self.fork(node_id, bad + good, mode=rest[1], quiet=True, on_error="collect")
            case "loop":
                return self.loop(node_id, *rest)
            case "either":
                return self.either(node_id, *rest)
            case _:
                return self.leaf(kind, node_id, *rest)

    def leaf(self, kind: str, node_id: str, *rest: Any) -> tuple[str, str]:
        match kind:
            case "add":
                return (self.add(node_id, "transform", set={"total": str(ADDED[kind])}),) * 2
            case "late":
                return self.timed(node_id, ADDED[kind], "wait", seconds=3600, timeout=0.05)
            case "racing":
                given = {"node": "'-'", "visit": "0"}
                return self.timed(node_id, ADDED[kind], "subgraph", workflow_id=self.other, input=given, timeout=0.3)
            case "failing":
                return self.failing(node_id, *rest)
            case _:
                return self.work(kind, node_id)

    def work(self, kind: str, node_id: str) -> tuple[str, str]:
        kind_of, data = self._work(kind, node_id)
        after = f"outputs.{node_id}.total" if kind == "subgraph" else str(value_of(node_id, 0))
        if kind != "subgraph" and kind not in CONSTANT:
            return (self.add(node_id, kind_of, output="total", **data),) * 2
        self.add(node_id, kind_of, **data)
        self.edges.append(edge(node_id, self.add(f"{node_id}x", "transform", set={"total": after})))
        return node_id, f"{node_id}x"

    def _work(self, kind: str, node_id: str) -> tuple[str, JsonObject]:
        visit = f"execution.visits.{node_id}"
        arguments: JsonObject = {"node": f"'{node_id}'", "visit": visit}
        prompt = f"{node_id} {{{{ {visit} }}}}"
        items = [f"{{'node': '{node_id}', 'visit': {visit}, 'item': {item}}}" for item in ITEMS]
        made: dict[str, tuple[str, JsonObject]] = {
            "tool": ("tool", {"tool": "give", "arguments": arguments, "repeatable": self.durability == "segment"}),
            "code": ("code", {"code": CODE, "arguments": arguments}),
            "score": ("score", {"rubric": [{"name": "good"}], "of": "input"}),
            "agent": ("agent", {"prompt": prompt, "output_schema": INTEGER}),
            "talking": ("agent", {"prompt": prompt, "output_schema": INTEGER, "tools": ["give"]}),
            ASKING: ("agent", {"prompt": prompt, "tools": ["give"], "subagents": _ASKED}),
            "subgraph": ("subgraph", {"workflow_id": self.other, "input": arguments}),
            "map": ("map", {"items": f"[{', '.join(items)}]", "body": BODY}),
            "question": ("question", {"prompt": prompt, "schema": INTEGER}),
            "approval": ("approval", {"prompt": prompt, "escalate": {"after": 0.05, "assignees": ["bob"]}}),
            "event": ("wait", {"event": {"name": node_id, "correlation": visit}}),
            "time": ("wait", {"seconds": 0.05}),
        }
        return made[kind]

    def timed(self, node_id: str, gives: int, kind: str, **data: Any) -> tuple[str, str]:
        """Add a node that may time out; what follows is the same."""
        self.add(node_id, kind, **data)
        after = self.add(f"{node_id}x", "transform", set={"total": str(gives)})
        self.edges += [edge(node_id, after), edge(node_id, after, f"{node_id} late", on="timeout")]
        return node_id, after

    def failing(self, node_id: str, handled: bool) -> tuple[str, str]:
        self.add(node_id, "tool", tool="fail", arguments={}, retry={"max_attempts": 1})
        if not handled:
            return node_id, node_id
        repair = self.add(f"{node_id}r", "transform", set={"total": "100"})
        self.edges.append(edge(node_id, repair, on="error"))
        return node_id, repair

    def fork(
        self, node_id: str, branches: list[tuple[str, Block]], quiet: bool = False, **join: Any
    ) -> tuple[str, str]:
        self.add(node_id, "parallel")
        meet = self.add(f"{node_id}j", "join", **join)
        for label, branch in branches:
            if quiet and branch[0][0] == "tool":  # which of them writes is decided by who is first, so none does
                data = {"tool": "give", "arguments": {"node": "'-'", "visit": "0"}}
                begin = end = self.add(branch[0][1], "tool", **data)
            else:
                begin, end = self.block(branch)
            self.edges += [edge(node_id, begin, label), edge(end, meet)]
        return node_id, meet

    def loop(self, node_id: str, times: int, body: Block) -> tuple[str, str]:
        head = self.add(node_id, "transform", set={node_id: "1"})
        begin, end = self.block(body)
        tail = self.add(f"{node_id}c", "condition")
        out = self.add(f"{node_id}o", "transform", set={node_id: f"-{times}"})
        self.edges += [
            edge(head, begin),
            edge(end, tail),
            edge(tail, out, "out", expression=f"state.{node_id} >= {times}"),
        ]
        self.edges.append(edge(tail, head, "again"))
        return head, out

    def either(self, node_id: str, yes: Block, no: Block) -> tuple[str, str]:
        self.add(node_id, "condition")
        after = self.add(f"{node_id}m", "condition")
        for label, block, condition in (
            ("yes", yes, {"expression": f"execution.visits.{node_id} % 2 == 1"}),
            ("no", no, {}),
        ):
            begin, end = self.block(block)
            self.edges += [edge(node_id, begin, label, **condition), edge(end, after)]
        return node_id, after
