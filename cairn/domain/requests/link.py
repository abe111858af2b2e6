"""The link that answers a request without a key: whoever holds it may answer once, until it expires."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

from cairn.domain.requests.model import surely_past
from cairn.errors import Gone, NotFound
from cairn.persistence.tables import RequestRow

LIFETIME = timedelta(days=30)
"""So long holds the link of a request without a deadline."""

_PURPOSE = b"cairn: link of a request"


def make_token(secret: bytes, row: RequestRow) -> str:
    """Return the token of a request's link; the same at every try, until the deadline changes."""
    until = row.expires_at or row.requested_at + LIFETIME
    said = f"{row.id}.{int(until.timestamp())}"
    return f"{said}.{_signature(secret, said)}"


def read_token(secret: bytes, token: str) -> str:
    """Return the id of the request that a token names.

    Raises:
        NotFound: it is not a token of this installation.
        Gone: its time is over.
    """
    said, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(secret, said).encode(), signature.encode(errors="replace")):
        raise NotFound("No such link", code="link_not_found")
    request_id, _, until = said.partition(".")
    if datetime.fromtimestamp(int(until), UTC) <= surely_past():
        raise Gone("The link has expired", code="link_expired")
    return request_id


def _signature(secret: bytes, said: str) -> str:
    key = hmac.new(secret, _PURPOSE, hashlib.sha256).digest()
    made = hmac.new(key, said.encode(errors="replace"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
