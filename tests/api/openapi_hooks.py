"""Hooks of schemathesis, which runs in a process of its own."""

from __future__ import annotations

import uuid

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook
def filter_case(context, case) -> bool:
    """Leave out the requests whose one fault is a header that nobody documents: HTTP has servers ignore those."""
    return "x-schemathesis-unknown-property" not in (case.headers or {})


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Give each request a key of its own: the same one with another body is rightly refused."""
    given = (case.headers or {}).get(KEY)
    if isinstance(given, str) and 0 < len(given) <= 255 and given.isascii() and given.isprintable():
        case.headers[KEY] = uuid.uuid4().hex
