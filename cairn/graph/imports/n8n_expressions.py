"""Expressions of n8n, ``={{ $json.total }}``, as texts and as CEL. JavaScript beyond a path has no counterpart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from cairn.contracts.json import Json

_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_STEP = r"(?:\.[A-Za-z_]\w*|\[\s*(?:\"[^\"\\\n]*\"|'[^'\\\n]*'|\d+)\s*\])"
_ITEM = re.compile(
    r"(?:\$json|\$input\.(?:item|first\(\))\.json"
    r"|\$node\[(?P<q>[\"'])(?P<old>[^\"'\\\n]+)(?P=q)\]\.json"
    r"|\$\((?P<r>[\"'])(?P<new>[^\"'\\\n]+)(?P=r)\)(?:\.item|\.first\(\)|\.last\(\))\.json)"
    rf"(?P<path>{_STEP}*)"
)
_KEY = re.compile(r"\.([A-Za-z_]\w*)|\[\s*(?:\"([^\"]*)\"|'([^']*)'|(\d+))\s*\]")

# fmt: off
RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "namespace", "null", "package", "return", "true", "var", "void", "while",
})
# fmt: on
"""Words that cannot be names in CEL."""

Resolve = Callable[[str | None], str]
"""Returns the CEL path of what a node (by its name; None: the one before) has given."""


class NotMapped(ValueError):
    """An expression of n8n has no counterpart."""


class Expressions:
    """Translates the expressions of one node."""

    def __init__(self, resolve: Resolve) -> None:
        """Take what paths begin with."""
        self._resolve = resolve

    def text(self, value: Any) -> str:
        """Return a text: literal parts as they are, paths as templates.

        Raises:
            NotMapped: it holds more than paths.
        """
        if not isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        if not value.startswith("="):
            return re.sub(r"\{(?=[{%#])", "{ ", value)
        return _PLACE.sub(lambda match: f"{{{{ {self._path(match.group(1))} }}}}", value[1:])

    def cel(self, value: Json) -> str:
        """Return a CEL expression: a path, a literal, or both put together.

        Raises:
            NotMapped: it holds more than paths.
        """
        if not isinstance(value, str):
            return literal(value)
        if not value.startswith("="):
            return literal(value)
        source = value[1:]
        whole = re.fullmatch(r"\s*\{\{(.*?)\}\}\s*", source, re.DOTALL)
        if whole and "{{" not in whole.group(1):
            return self._path(whole.group(1))
        parts = _PLACE.split(source)
        made = [f"string({self._path(part)})" if i % 2 else literal(part) for i, part in enumerate(parts) if part]
        return " + ".join(made) or "''"

    def _path(self, source: str) -> str:
        source = source.strip()
        if number := re.fullmatch(r"-?\d+(\.\d+)?|true|false|null", source):
            return number.group()
        if quoted := re.fullmatch(r"'([^'\\]*)'|\"([^\"\\]*)\"", source):
            return literal(quoted.group(1) or quoted.group(2) or "")
        match = _ITEM.fullmatch(source)
        if match is None:
            raise NotMapped(f"{source[:80]} is more than a path")
        base = self._resolve(match.group("old") or match.group("new"))
        return base + "".join(_step(*step) for step in _KEY.findall(match.group("path")))


def _step(name: str, double: str, single: str, number: str) -> str:
    key = name or double or single
    if number and not key:
        return f"[{number}]"
    plain = re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) and key not in RESERVED
    return f".{key}" if plain else f"[{literal(key)}]"


def literal(value: Json) -> str:
    """Return the CEL literal of a value."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        return f"'{escaped}'"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"  # pyright: ignore
    return json.dumps(value)


_BINARY = {
    "equals": "{0} == {1}",
    "equal": "{0} == {1}",
    "notEquals": "{0} != {1}",
    "notEqual": "{0} != {1}",
    "gt": "{0} > {1}",
    "larger": "{0} > {1}",
    "gte": "{0} >= {1}",
    "largerEqual": "{0} >= {1}",
    "lt": "{0} < {1}",
    "smaller": "{0} < {1}",
    "lte": "{0} <= {1}",
    "smallerEqual": "{0} <= {1}",
    "contains": "{0}.contains({1})",
    "notContains": "!{0}.contains({1})",
    "startsWith": "{0}.startsWith({1})",
    "notStartsWith": "!{0}.startsWith({1})",
    "endsWith": "{0}.endsWith({1})",
    "notEndsWith": "!{0}.endsWith({1})",
    "true": "{0} == true",
    "false": "{0} == false",
    "exists": "has({0})",
    "notExists": "!has({0})",
    "empty": "size({0}) == 0",
    "regex": "{0}.matches({1})",
    "notRegex": "!{0}.matches({1})",
    "lengthEquals": "size({0}) == int({1})",
    "lengthNotEquals": "size({0}) != int({1})",
    "lengthGt": "size({0}) > int({1})",
    "lengthGte": "size({0}) >= int({1})",
    "lengthLt": "size({0}) < int({1})",
    "lengthLte": "size({0}) <= int({1})",
    "isEmpty": "size({0}) == 0",
    "notEmpty": "size({0}) > 0",
    "isNotEmpty": "size({0}) > 0",
}
_NUMERIC = ("gt", "larger", "gte", "largerEqual", "lt", "smaller", "lte", "smallerEqual")


def comparison(operation: str, left: str, right: str, *, number: bool = False) -> str:
    """Return the CEL of a comparison.

    Raises:
        NotMapped: there is no such comparison here.
    """
    if operation not in _BINARY:
        raise NotMapped(f"the comparison {operation!r} has no counterpart")
    if number or operation in _NUMERIC:
        # Integers and decimals do not mix in CEL.
        left, right = f"double({left})", f"double({right})"
    return _BINARY[operation].format(left, right)
