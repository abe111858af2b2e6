"""Graphs in files: JSON or YAML."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from cairn.errors import BadRequest

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject

_YAML = (".yaml", ".yml")
_DIGITS = list("-+0123456789")
_SCALARS: list[tuple[str, list[str], str]] = [
    ("null", ["~", "n", "N", ""], "~|null|Null|NULL|"),
    ("bool", list("tTfF"), "true|True|TRUE|false|False|FALSE"),
    ("int", _DIGITS, "[-+]?(?:0|[1-9][0-9]*)"),
    ("float", [*_DIGITS, "."], r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
]
"""Tag, first characters and pattern of the scalars that are not text."""


def read_graph(file: Path) -> JsonObject:
    """Return the definition that a file holds.

    Raises:
        BadRequest: it cannot be read, or holds neither JSON nor YAML of the same form.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadRequest(f"{file} cannot be read: {reason}") from error
    found = _yaml(file, text) if file.suffix.lower() in _YAML else _json(file, text)
    if not isinstance(found, dict):
        raise BadRequest(f"{file} holds no graph: that is an object with nodes and edges")
    return cast("JsonObject", found)


def _json(file: Path, text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"JSON has no {constant}")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{file} is no JSON: {error}") from error


def _yaml(file: Path, text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain scalars mean what YAML 1.2 says: `on` is text, a date too."""

    Loader.yaml_implicit_resolvers = {}
    for name, first, pattern in _SCALARS:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), first)
    try:
        return json.loads(json.dumps(yaml.load(text, Loader), allow_nan=False))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"{file} is no YAML that JSON could hold: {error}") from error
