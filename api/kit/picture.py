"""Replies that are pictures: SVG that can do nothing, or Mermaid's text."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from cairn.domain.diagrams import SECURITY_POLICY, Format

_TYPES: dict[Format, str] = {"svg": "image/svg+xml", "mermaid": "text/vnd.mermaid"}
_TEXT = {"schema": {"type": "string"}}

PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": dict.fromkeys(_TYPES.values(), _TEXT)}
}
"""OpenAPI of a reply that is a picture."""

PictureFormat = Annotated[Format, Query(alias="format")]


def picture(text: str, form: Format) -> Response:
    """Answer with a picture."""
    headers = {"Content-Security-Policy": SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type=f"{_TYPES[form]}; charset=utf-8", headers=headers)
