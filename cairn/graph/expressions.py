"""CEL expressions: what conditions, arguments and assignments of a graph are written in.

They run inside workflows, so they are deterministic (no clock, no time zones, nothing that depends on the order of a
map's keys) and bounded in cost: a source is at most 2 KB, an evaluation makes at most 10,000 loop iterations, and one
whose worst case touches too many bytes is refused before it starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

from cairn.contracts.json import Json, JsonObject
from cairn.graph.expression_shape import Shape, read_shape
from cairn.graph.scope import Path, ScopeError, Size, narrow

SCOPE_NAMES = frozenset({"input", "state", "outputs", "execution"})
ITEM_NAMES = SCOPE_NAMES | {"item", "index"}
UNDO_NAMES = ITEM_NAMES | {"result"}
"""Names for the arguments of a compensation: what the node returned, and all else as it was just after."""
"""The names inside a map."""

MAX_SOURCE = 2_048
"""Bytes of a source."""
MAX_ITERATIONS = 10_000
"""Loop iterations of one evaluation, all its loops together (the library's own budget)."""
MAX_COST = 50_000_000
"""Bytes that one evaluation may touch in its worst case."""
MAX_RESULT = 100_000
"""Values in a result that the expression makes."""
MAX_PATTERN = 256
"""Characters of a regular expression."""
_NODE_COST = 100
"""What handing over one value costs, as bytes."""
_PATTERN_COST = 50_000
"""What compiling one simple regular expression costs at worst, as bytes; inside a loop it happens each time round."""

_TIME_ZONE_OVERLOADS = {
    "getFullYear": "timestamp_to_year_with_tz",
    "getMonth": "timestamp_to_month_with_tz",
    "getDayOfYear": "timestamp_to_day_of_year_with_tz",
    "getDayOfMonth": "timestamp_to_day_of_month_with_tz",
    "getDate": "timestamp_to_day_of_month_1_based_with_tz",
    "getDayOfWeek": "timestamp_to_day_of_week_with_tz",
    "getHours": "timestamp_to_hours_with_tz",
    "getMinutes": "timestamp_to_minutes_with_tz",
    "getSeconds": "timestamp_to_seconds_tz",
    "getMilliseconds": "timestamp_to_milliseconds_with_tz",
}


class ExpressionError(ValueError):
    """An expression that does not compile, or whose evaluation failed; the message is for its author."""

    code = "expression"

    def __init__(self, message: str) -> None:
        """Make an error with a message for the author."""
        super().__init__(message)
        self.message = message


class Expression:
    """A compiled expression; safe to share.

    Attributes:
        source: as written.
    """

    __slots__ = ("_constant", "_program", "_shape", "source")

    def __init__(self, source: str, program: cel.Expression, shape: Shape) -> None:
        """Use :func:`compile_expression`."""
        self.source = source
        self._program = program
        self._shape = shape
        self._constant: Json = None

    @property
    def paths(self) -> frozenset[Path]:
        """The values that it names, as keys from the scope inwards."""
        return self._shape.paths

    @property
    def may_be_boolean(self) -> bool:
        """False when its result is known to be neither true nor false."""
        return self._program.return_type().name() in ("BOOL", "DYN")

    def evaluate(self, scope: Mapping[str, Json]) -> Json:
        """Evaluate to plain JSON, maps that the expression makes sorted by key.

        A timestamp becomes RFC 3339 text in UTC, a duration its seconds. Only what the expression names is read: the
        rest of the scope costs nothing. The result may share parts with the scope.

        Args:
            scope: the values of the names the expression was compiled for.

        Raises:
            ExpressionError: a missing key, a wrong type, an overflow, a result that JSON has not, or too much work.
        """
        if self._shape.direct is not None:
            found, value = _look_up(scope, self._shape.direct)
            if found:
                return value
        if self._constant is not None:
            return self._constant
        values = narrow(scope, self._shape.paths)
        ordered = _check_cost(self._shape, values)
        try:
            result = self._program.eval(data=values)
        except Exception as error:
            raise ExpressionError(_runtime_message(str(error), detail=ordered)) from None
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(_runtime_message(str(result.value()), detail=ordered))
        value = _Result().to_json(result)
        if not self._shape.paths and isinstance(value, str | int | float):
            self._constant = value  # it names nothing: nor will it be another one, or shared and changed
        return value


@lru_cache(maxsize=4096)
def compile_expression(source: str, *, names: frozenset[str] = SCOPE_NAMES) -> Expression:
    """Compile and check a source.

    Args:
        source: CEL, at most 2 KB of UTF-8.
        names: the names it may use; any other is an error.

    Raises:
        ExpressionError: it is empty, too long, does not parse, names something unknown or mixes types.
    """
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise ExpressionError("the expression is not valid Unicode") from None
    if size > MAX_SOURCE:
        raise ExpressionError(f"the expression has {size} bytes; at most {MAX_SOURCE} are allowed")
    if not source.strip():
        raise ExpressionError("the expression is empty")
    try:
        program = _environment(names).compile(source)
        shape = read_shape(program.serialize(), names)
    except Exception as error:
        raise ExpressionError(_compile_message(source, str(error))) from None
    for pattern, loops in shape.patterns:
        _check_pattern(pattern, loops)
    return Expression(source, program, shape)


@lru_cache(maxsize=8)
def _environment(names: frozenset[str]) -> cel.Env:
    # map and filter build lists in the order of a map's keys, which is random; the data of time zones changes with
    # the machine. Either would break replay.
    excluded = "".join(
        f"    - name: {function}\n      overloads:\n        - id: {overload}\n"
        for function, overload in _TIME_ZONE_OVERLOADS.items()
    )
    config = cel.NewEnvConfigFromYaml(f"stdlib:\n  exclude_macros: [map, filter]\n  exclude_functions:\n{excluded}")
    return cel.NewEnv(config=config, variables=dict.fromkeys(sorted(names), cel.Type.DYN))


def _check_pattern(pattern: str | None, loops: int) -> None:
    """Refuse a regular expression that is dear to compile (a Unicode class takes 2 ms) or that is none."""
    if pattern is None:
        raise ExpressionError("the pattern of matches() must be written out as a text literal")
    if len(pattern) > MAX_PATTERN:
        raise ExpressionError(f"the pattern of matches() has more than {MAX_PATTERN} characters")
    if re.search(r"\\[pP]", pattern):
        raise ExpressionError("the pattern of matches() has a Unicode class (\\p), which is not available")
    if loops and "{" in pattern:
        raise ExpressionError("inside a loop the pattern of matches() cannot have counted repetition ({n})")
    result = _environment(SCOPE_NAMES).compile("''.matches(input)").eval(data={"input": pattern})
    if result.type() == cel.Type.ERROR:
        raise ExpressionError(_runtime_message(str(result.value()), detail=True))


def _check_cost(shape: Shape, values: dict[str, Json]) -> bool:
    """Refuse an evaluation whose worst case is too dear.

    The iteration budget does not see into single calls: ``x in list`` and comparisons of whole values take time with
    the size of their values, each time round.

    Returns:
        False when a loop may run over a map, whose order is random: what fails first then differs from run to run.
    """
    try:
        size = Size(values)
    except ScopeError as error:
        raise ExpressionError(str(error)) from None
    if size.wide_integers:
        raise ExpressionError("an integer is beyond 64 bits")
    longest = max(size.longest, shape.literal)
    cost = max(1, shape.references) * (size.bytes + _NODE_COST * size.nodes)
    cost += sum(min(MAX_ITERATIONS, longest**depth) * size.bytes for depth in shape.linear)
    cost += sum(min(MAX_ITERATIONS, longest**depth) * _PATTERN_COST for _, depth in shape.patterns if depth)
    if cost > MAX_COST:
        raise ExpressionError("the expression would read too much data; name a smaller part of it")
    ordered = all(loop.literal or (loop.range and not _is_map(values, loop.range)) for loop in shape.loops)
    if not ordered and longest**shape.depth > MAX_ITERATIONS:
        raise ExpressionError(f"the expression may need more than {MAX_ITERATIONS} iterations over a map")
    return ordered


def _look_up(scope: Mapping[str, Json], path: Path) -> tuple[bool, Json]:
    value: Json = scope
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False, None
        value = cast(Mapping[str, Json], value)[key]
    return True, value


def _is_map(values: JsonObject, path: Path) -> bool:
    return isinstance(_look_up(values, path)[1], dict)


class _Result:
    """Turns what the library returns into JSON.

    Value by value, because its own ``plain_value`` (and ``value`` of a null) takes away a reference to None that it
    does not own (seen in 0.1.3), which before Python 3.12 ends the process after some thousand nulls.
    """

    def __init__(self) -> None:
        self.left = MAX_RESULT

    def to_json(self, value: cel.Value) -> Json:
        self.left -= 1
        if self.left < 0:
            raise ExpressionError(f"the result has more than {MAX_RESULT} values; name a whole value to pass it on")
        kind = value.type().name()
        if kind == "NULL":
            return None
        if kind in ("BOOL", "INT", "UINT", "STRING"):
            return value.value()
        if kind.startswith("LIST"):
            return [self.to_json(item) for item in value.value()]
        if kind.startswith("MAP"):
            return self._map(value.value())
        return _scalar(value.value())

    def _map(self, members: dict[Any, cel.Value]) -> JsonObject:
        if not all(isinstance(key, str) for key in members):
            raise ExpressionError("the result has a map whose keys are not strings")
        return {key: self.to_json(members[key]) for key in sorted(members)}


def _scalar(value: Any) -> Json:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("the result is not a finite number")
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds.is_integer() else seconds
    raise ExpressionError("the result is of a type that JSON does not have")


_SINGLE_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")


def _compile_message(source: str, text: str) -> str:
    if "recursion" in text:
        return "the expression is nested too deeply or chains too many operators"
    if re.search(r"undeclared reference to '(map|filter)'", text):
        return "map() and filter() are not available: use all(), exists(), exists_one() or a node"
    lines = source.count("\n")
    messages: list[str] = []
    for line, column, message in _SINGLE_ERROR.findall(text)[:3]:
        where = f"line {line}, column {column}" if lines else f"column {column}"
        messages.append(f"{_plain(message)} ({where})")
    return "; ".join(messages) or _STATUS.sub("", text.partition("\n")[0]) or "the expression is not valid CEL"


def _plain(message: str) -> str:
    message = _STATUS.sub("", message)
    unknown = re.match(r"undeclared reference to '([^'.]*)", message)
    if unknown and unknown[1] in _TIME_ZONE_OVERLOADS:
        return f"{unknown[1]}() takes no time zone: times are in UTC"
    if unknown:
        return f"unknown name '{unknown[1]}'"
    message = re.sub(r"(mismatched input .*) expecting .*", r"\1", message)
    return message.replace("mismatched input '<EOF>'", "unexpected end")


def _runtime_message(text: str, *, detail: bool) -> str:
    """Say why an evaluation failed; without detail, only what does not depend on the order of a map's keys."""
    if "budget" in text:
        return f"the expression needs more than {MAX_ITERATIONS} iterations"
    if not detail:
        return "the expression failed for an item of what it loops over"
    text = _STATUS.sub("", _STATUS.sub("", text))
    text = re.sub(r"^Key not found in map : ", "no such key: ", text)
    text = text.replace("Applying SELECT to non-message type", "a member is asked of a value that is not an object")
    return re.sub(r"No matching overloads found : ", "these types do not go together: ", text)[:500]
