"""Column types that behave the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator


def utc_now() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: takes aware datetimes of any zone, gives aware datetimes in UTC, to the microsecond.

    Raises:
        ValueError: on a naive datetime, whose zone would be a guess.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC; SQLite keeps no zone, so there it is left out."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Give UTC back, whatever the zone of the connection."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# A document that comes back as it went in: PostgreSQL's JSON keeps the text, where JSONB rewrites numbers (1e300
# becomes an integer, which changes a digest) and refuses \u0000.
JsonDocument = JSON(none_as_null=True)

# A document that is searched in.
JsonIndexed = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

# 64 bits on both: SQLite numbers rows by itself only in a column of type INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")

MAX_ID = 2**63 - 1


def number_of(text: int | str, most: int = MAX_ID) -> int | None:
    """Return the number that a caller names a row by, None when it is none that a row can have."""
    digits = str(text)
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
        return None
    return int(digits) if int(digits) <= most else None


class Dollars(TypeDecorator[Decimal]):
    """US dollars, exact to a billionth: kept as an integer of nanodollars, which both databases sum without loss."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Turn to nanodollars, half to even."""
        return None if value is None else int((value * _NANO).to_integral_value())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        """Give dollars back; PostgreSQL's sums of integers are decimals."""
        return None if value is None else Decimal(int(value)) / _NANO


_NANO = 10**9
