"""Points in time in a query string."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator


def _parse(value: Any) -> Any:
    """Read ISO 8601; without a zone it is UTC. A number is no time, though pydantic would take one."""
    if not isinstance(value, str):
        return value
    try:
        parsed = datetime.fromisoformat(value.upper())  # RFC 3339 allows t and z
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be an ISO 8601 time such as 2025-01-01T12:00:00Z (a + in it is sent as %2B)") from None


UtcQuery = Annotated[datetime, BeforeValidator(_parse)]
