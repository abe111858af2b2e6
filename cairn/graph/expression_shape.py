"""What an expression can do, read off its checked form: which values it names, how often it can loop, what is dear.

The library hands over a checked expression only as bytes of the public ``cel.expr.CheckedExpr`` message. The few fields
that matter are read here; their numbers are fixed by the published protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cairn.graph.scope import Path, outermost

_ANY_VALUE, _CHECKED_EXPR = 2, 4
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
_CONST_STRING = 6

_LIGHT_CALLS = frozenset(
    {"_&&_", "_||_", "!_", "-_", "_?_:_", "@not_strictly_false", "_[_]", "_-_", "_*_", "_/_", "_%_", "dyn", "type"}
)
"""Calls whose cost does not grow with the values they take."""
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_+_"})
"""Calls that are cheap when one side is a literal."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One ``all``, ``exists`` or ``exists_one``.

    Attributes:
        range: path of what it iterates over; None when that is known only while it runs.
        literal: True when it iterates over a list that is written out in the source.
    """

    range: Path | None
    literal: bool


@dataclass(slots=True)
class Shape:
    """What an expression can do.

    Attributes:
        paths: the values of the scope that it names; no path is the beginning of another.
        references: how often it names one of them.
        loops: every loop in it.
        depth: how deep its loops nest.
        linear: for every call whose cost grows with the values it takes: how many loops are around it.
        patterns: every regular expression (None when it is not written out) and how many loops are around it.
        literal: number of items of the longest list or map that is written out in it.
        direct: the path that is all there is to it, as in ``outputs.search.hits``; None when there is more.
    """

    paths: frozenset[Path] = frozenset()
    references: int = 0
    loops: list[Loop] = field(default_factory=list[Loop])
    depth: int = 0
    linear: list[int] = field(default_factory=list[int])
    patterns: list[tuple[str | None, int]] = field(default_factory=list[tuple[str | None, int]])
    literal: int = 0
    direct: Path | None = None


def read_shape(checked: bytes, names: frozenset[str]) -> Shape:
    """Read the shape of a checked expression.

    Args:
        checked: the library's serialized form (an ``Any`` that holds a ``CheckedExpr``).
        names: the names of the scope; other identifiers are types or loop variables.
    """
    reader = _Reader(names)
    body = _bytes(_bytes(checked, _ANY_VALUE), _CHECKED_EXPR)
    reader.walk(body, 0, frozenset())
    shape = reader.shape
    shape.paths = outermost(reader.paths)
    shape.direct = None if _is_presence_test(body) else reader.path(*_kind(body), frozenset())
    return shape


class _Reader:
    """Walks the tree once; the library bounds its depth."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.paths: set[Path] = set()
        self.shape = Shape()

    def walk(self, expr: bytes, depth: int, bound: frozenset[str]) -> None:
        kind, value = _kind(expr)
        path = self.path(kind, value, bound)
        if path is not None:
            self.paths.add(path)
            self.shape.references += 1
        elif kind == _SELECT:
            self.walk(_bytes(value, 1), depth, bound)
        elif kind == _CALL:
            self.call(value, depth, bound)
        elif kind == _LIST:
            items = [v for n, v in _fields(value) if n == 1 and isinstance(v, bytes)]
            self.shape.literal = max(self.shape.literal, len(items))
            for item in items:
                self.walk(item, depth, bound)
        elif kind == _STRUCT:
            self.struct(value, depth, bound)
        elif kind == _COMPREHENSION:
            self.comprehension(value, depth, bound)

    def call(self, call: bytes, depth: int, bound: frozenset[str]) -> None:
        function, operands = _call(call)
        cheap = function in _LIGHT_CALLS or (function in _COMPARISONS and any(_kind(o)[0] == _CONST for o in operands))
        if not cheap:
            self.shape.linear.append(depth)
        if function == "matches":
            self.shape.patterns.append((_string_literal(operands[-1]), depth))
        for operand in operands:
            self.walk(operand, depth, bound)

    def struct(self, struct: bytes, depth: int, bound: frozenset[str]) -> None:
        entries = [v for n, v in _fields(struct) if n == 2 and isinstance(v, bytes)]
        self.shape.literal = max(self.shape.literal, len(entries))
        for entry in entries:
            for number, value in _fields(entry):
                if number in (3, 4) and isinstance(value, bytes):
                    self.walk(value, depth, bound)

    def comprehension(self, loop: bytes, depth: int, bound: frozenset[str]) -> None:
        over = _bytes(loop, 2)
        kind, value = _kind(over)
        self.shape.loops.append(Loop(range=self.path(kind, value, bound), literal=kind == _LIST))
        self.shape.depth = max(self.shape.depth, depth + 1)
        self.walk(over, depth, bound)
        inner = bound | {_text(loop, 1), _text(loop, 3), _text(loop, 8)}
        for number in (4, 7):
            self.walk(_bytes(loop, number), depth, inner)
        for number in (5, 6):
            self.walk(_bytes(loop, number), depth + 1, inner)

    def path(self, kind: int, value: bytes, bound: frozenset[str]) -> Path | None:
        """Return the path that an expression is, or None when it is anything else."""
        keys: list[str] = []
        while True:
            if kind == _IDENT:
                name = _text(value, 1)
                root = name.removeprefix(".")
                found = root in self.names and (root not in bound or name != root)
                return (root, *reversed(keys)) if found else None
            if kind == _SELECT:
                keys.append(_text(value, 2))
                kind, value = _kind(_bytes(value, 1))
            elif kind == _CALL:
                function, operands = _call(value)
                key = _string_literal(operands[-1]) if function == "_[_]" else None
                if key is None:
                    return None
                keys.append(key)
                kind, value = _kind(operands[0])
            else:
                return None


def _is_presence_test(expr: bytes) -> bool:
    """Return whether it is ``has(a.b)``, which has the form of ``a.b`` with a mark."""
    return any(number == 3 and value for number, value in _fields(_bytes(expr, _SELECT)))


def _kind(expr: bytes) -> tuple[int, bytes]:
    """Return which kind of expression it is, as the number of the field that says so, and that field's message."""
    return next(((number, value) for number, value in _fields(expr) if isinstance(value, bytes)), (0, b""))


def _call(call: bytes) -> tuple[str, list[bytes]]:
    """Return the name of a function and its operands, the one before the dot first."""
    fields = [(number, value) for number, value in _fields(call) if isinstance(value, bytes)]
    function = next((value.decode() for number, value in fields if number == 2), "")
    return function, [value for number, value in fields if number != 2]


def _string_literal(expr: bytes) -> str | None:
    kind, value = _kind(expr)
    if kind != _CONST:
        return None
    return next((v.decode() for n, v in _fields(value) if n == _CONST_STRING and isinstance(v, bytes)), None)


def _bytes(message: bytes, number: int) -> bytes:
    return next((v for n, v in _fields(message) if n == number and isinstance(v, bytes)), b"")


def _text(message: bytes, number: int) -> str:
    return _bytes(message, number).decode()


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Return number and value of every field of a protobuf message; nested messages and strings as bytes."""
    fields: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            fields.append((number, value))
            continue
        if wire == 2:
            length, at = _varint(message, at)
        else:
            length = 8 if wire == 1 else 4
        fields.append((number, message[at : at + length]))
        at += length
    return fields


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = message[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    shift = 7
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
