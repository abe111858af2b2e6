"""Request bodies are strict JSON (RFC 8259): UTF-8, finite numbers, bounded depth. Anything else is a 400."""

from __future__ import annotations

import re
from email.message import Message
from math import isfinite
from typing import Any, cast

from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request

# The parser reads 1e400 as infinity, which JSON has not. That is rare, so a body is only searched for it when its bytes
# hold a sign of it: an exponent of three digits, or a very long number (looked at from its first digit alone, or a body
# full of digits would take seconds).
_MAY_OVERFLOW = re.compile(rb"\d[eE]\+?\d{3}|(?<!\d)\d{300}")


def parse_json(body: bytes) -> Any:
    """Parse a request body.

    Raises:
        HTTPException: 400, when it is not JSON, not UTF-8, nested deeper than 200 levels, or holds a number that is
            not finite.
    """
    try:
        value: Any = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise HTTPException(400, f"The body is not valid JSON: {error}.") from error
    if _MAY_OVERFLOW.search(body):
        _refuse_infinite(value)
    return value


def _refuse_infinite(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(cast(dict[str, Any], item).values())
        elif isinstance(item, list):
            stack.extend(cast(list[Any], item))
        elif isinstance(item, float) and not isfinite(item):
            raise HTTPException(400, "The body holds a number that is too large.")


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON (``application/json`` or ``application/*+json``)."""
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


class JsonRequest(Request):
    """A request whose ``json()`` is strict."""

    async def json(self) -> Any:
        """Return the parsed body; see :func:`parse_json`."""
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json
