"""JSON and ``key=value`` as arguments of commands; one that is neither is a usage error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import typer

if TYPE_CHECKING:
    from cairn.contracts.json import Json, JsonObject

JSON_HELP = "JSON object; @FILE reads it from a file, - from standard input"


def json_object(text: str | None, option: str) -> JsonObject | None:
    """Return the JSON object that an option gives, None for an option that is not given.

    Args:
        text: JSON, ``@`` and the path of a file, or ``-`` for standard input.
        option: for the message.

    Raises:
        typer.BadParameter: it is no JSON object, or the file cannot be read.
    """
    if text is None:
        return None
    value = json_value(text, option)
    if not isinstance(value, dict):
        raise typer.BadParameter('is no JSON object, as {"topic": "cairns"} is', param_hint=option)
    return cast("JsonObject", value)


def json_value(text: str, option: str) -> Json:
    """Return the JSON value that an option gives; arguments as of :func:`json_object`.

    Raises:
        typer.BadParameter: it is no JSON, or the file cannot be read.
    """
    try:
        return json.loads(_source(text), parse_constant=_refuse)
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]}: {error.strerror}", param_hint=option) from error
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is no JSON: {error}", param_hint=option) from error


def _source(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    return Path(text[1:]).read_text("utf-8") if text.startswith("@") else text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def pairs(given: Iterable[str] | None, option: str) -> JsonObject:
    """Return what ``key=value`` arguments say; values stay text.

    Raises:
        typer.BadParameter: one has no ``=`` or no key.
    """
    found: JsonObject = {}
    for each in given or ():
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{each!r} is not of the form key=value", param_hint=option)
        found[key] = value
    return found
