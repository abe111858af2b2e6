"""Pages of lists, newest first.

Two ways, both steady while rows are being added: by number or offset (the ``anchor`` of the first page keeps what came
later out of the following ones) and by cursor (goes on after the last row that was seen).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from cairn.errors import BadRequest
from cairn.persistence.types import UtcDateTime

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page by number.

    Attributes:
        items: the page's rows.
        total: how many rows all pages have together.
        page: its number, from 1.
        page_size: rows that a full page has.
        anchor: key of the newest row when the reading began; hand it in for its other pages. None: there was no row.
    """

    items: Sequence[T]
    total: int
    page: int
    page_size: int
    anchor: int | None = None

    def map(self, convert: Callable[[T], U]) -> Page[U]:
        """Return the page with its items converted."""
        items = [convert(item) for item in self.items]
        return Page(items, self.total, self.page, self.page_size, self.anchor)


@dataclass(frozen=True, slots=True)
class Stretch(Generic[T]):
    """Some rows of a list, as a limit and an offset cut them out; ``total`` and ``anchor`` as of :class:`Page`."""

    items: Sequence[T]
    total: int
    anchor: int | None = None


@dataclass(frozen=True, slots=True)
class CursorPage(Generic[T]):
    """One page by cursor; ``next_cursor`` is None on the last."""

    items: Sequence[T]
    next_cursor: str | None


def encode_cursor(values: Sequence[Any]) -> str:
    """Return the opaque text of a row's place in an order of times, numbers and strings."""
    return base64.urlsafe_b64encode(json.dumps(list(values), default=datetime.isoformat).encode()).decode().rstrip("=")


def after(columns: Sequence[InstrumentedAttribute[Any]], cursor: str) -> ColumnElement[bool]:
    """Return the condition for the rows that follow the cursor's row in the descending order of ``columns``.

    Raises:
        BadRequest: the cursor was not made for such an order.
    """
    try:
        values: Any = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(cast("list[Any]", values)) != len(columns):
            raise ValueError
        pairs = zip(columns, cast("list[Any]", values), strict=True)
        bounds = [literal(_value(column, value), column.type) for column, value in pairs]
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise BadRequest("The cursor is not one that this list gave.", code="bad_cursor") from None
    return tuple_(*columns) < tuple_(*bounds)


def _value(column: InstrumentedAttribute[Any], value: Any) -> Any:
    if isinstance(column.type, UtcDateTime):
        value = datetime.fromisoformat(value)
        if value.tzinfo is None:
            raise ValueError
        return value
    if type(value) is not column.type.python_type or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValueError
    return value
