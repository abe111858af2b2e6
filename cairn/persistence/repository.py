"""The one way to the rows of a tenant: no query is made elsewhere without going through :meth:`Repository.select`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Insert, Select, Table, bindparam, func, insert, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapper, defer, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col

from cairn.persistence.first_write import ALONE
from cairn.persistence.paging import CursorPage, Page, Stretch, after, encode_cursor
from cairn.persistence.tables import TenantRow

Row = TypeVar("Row", bound=TenantRow)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows are meant.

    Attributes:
        tenant: the owner.
        live: live rows or test rows; None for both, which is for administration only.
    """

    tenant: str
    live: bool | None


def owned_by_caller(table: type[TenantRow]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that keep other tenants' rows out of a statement that is made once.

    To make a statement costs more than to carry it out, so those of the busiest requests are. Whenever it is carried
    out, it is given ``caller(scope)``.
    """
    return col(table.tenant) == bindparam("tenant"), col(table.live) == bindparam("live")


def caller(scope: Scope) -> dict[str, Any]:
    """Return whose rows a statement with ``owned_by_caller`` is about, which are live ones or test ones."""
    return {"tenant": scope.tenant, "live": scope.live}


def insert_into(session: AsyncSession, table: type[Any]) -> Any:
    """Return the insert that knows conflicts."""
    return (postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert)(table)


@cache
def _insert(table: Any) -> tuple[Insert, Mapping[str, str], str]:
    """Return what inserts a row that the database numbers: which attribute a column is of, and the number's."""
    mapper: Mapper[Any] = inspect(table)
    (number,) = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    columns = {each.columns[0].name: each.key for each in mapper.column_attrs if each.key != number}
    return insert(cast("Table", mapper.local_table)), columns, number


class Repository(Generic[Row]):
    """Reads and adds rows of one table within a session. Filters are SQLAlchemy conditions."""

    def __init__(self, session: AsyncSession, table: type[Row]) -> None:
        """Take the session and the table's class."""
        self.session = session
        self.table = table

    def owned(self, scope: Scope) -> list[ColumnElement[bool]]:
        """Return the conditions that keep other tenants' rows out."""
        conditions: list[ColumnElement[bool]] = [col(self.table.tenant) == scope.tenant]
        if scope.live is not None:
            conditions.append(col(self.table.live) == scope.live)
        return conditions

    def select(self, scope: Scope, *filters: ColumnElement[bool]) -> Select[Row]:
        """Return the query of the scope's rows that pass all filters."""
        return select(self.table).where(*self.owned(scope), *filters)

    async def get(self, scope: Scope, *filters: ColumnElement[bool], lock: bool = False) -> Row | None:
        """Return the one row that passes, or None.

        Args:
            scope: whose rows.
            filters: conditions that at most one row passes.
            lock: keep every other writer off the row until the transaction ends, and read it as it is now.
        """
        query = self.select(scope, *filters)
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        return (await self.session.execute(query)).scalar_one_or_none()

    async def all(self, scope: Scope, *filters: ColumnElement[bool], order: Sequence[Any] = ()) -> Sequence[Row]:
        """Return all rows that pass, in the given order."""
        return (await self.session.execute(self.select(scope, *filters).order_by(*order))).scalars().all()

    async def add(self, row: Row) -> Row:
        """Insert the row, so that it has its number.

        Raises:
            IntegrityError: it breaks a unique or foreign key; the transaction is lost unless the caller opened a
                savepoint (``session.begin_nested()``).
        """
        self.session.add(row)
        await self.session.flush()
        return row

    async def add_alone(self, row: Row) -> Row:
        """Insert the row in one way to the server: a transaction of its own, unless there is one already.

        Raises:
            IntegrityError: it breaks a unique or foreign key.
        """
        query, attributes, number = _insert(cast("Any", self.table))
        values = {column: getattr(row, attribute) for column, attribute in attributes.items()}
        made = await self.session.execute(query, values, execution_options=ALONE)
        (key,) = cast("CursorResult[Any]", made).inserted_primary_key or (None,)
        set_committed_value(row, number, key)
        make_transient_to_detached(row)
        self.session.add(row)
        return row

    async def count(self, scope: Scope, *filters: ColumnElement[bool]) -> int:
        """Return how many rows pass."""
        query = select(func.count()).select_from(self.table).where(*self.owned(scope), *filters)
        return (await self.session.execute(query)).scalar_one()

    async def page(
        self,
        scope: Scope,
        *filters: ColumnElement[bool],
        key: Any,
        order: Sequence[Any] = (),
        page: int = 1,
        page_size: int = 20,
        anchor: int | None = None,
    ) -> Page[Row]:
        """Return a page by number, newest first.

        Args:
            scope: whose rows.
            filters: conditions that all rows pass.
            key: the column of ascending numbers that orders rows by their making.
            order: columns to order by before ``key``, each descending.
            page: from 1.
            page_size: rows a page.
            anchor: of the first page of the same reading, so that rows made since then do not shift the others.
        """
        stretch = await self.stretch(
            scope, *filters, key=key, order=order, limit=page_size, offset=(page - 1) * page_size, anchor=anchor
        )
        return Page(stretch.items, stretch.total, page, page_size, stretch.anchor)

    async def stretch(
        self,
        scope: Scope,
        *filters: ColumnElement[bool],
        key: Any,
        order: Sequence[Any] = (),
        limit: int = 20,
        offset: int = 0,
        anchor: int | None = None,
        without: Sequence[Any] = (),
    ) -> Stretch[Row]:
        """Return so many rows after so many others, newest first.

        Args:
            scope: whose rows.
            filters: conditions that all rows pass.
            key: the column of ascending numbers that orders rows by their making.
            order: columns to order by before ``key``, each descending.
            limit: rows at most.
            offset: rows before the first.
            anchor: of the first stretch of the same reading, so that rows made since then do not shift the others.
            without: large columns that are not read; the rows may not be asked for them.
        """
        key = col(key)
        # How many there are and which is the newest are read at once: both look at every row that passes.
        since = [] if anchor is None else [key <= anchor]
        many = select(func.count(), func.max(key)).where(*self.owned(scope), *filters, *since)
        total, newest = (await self.session.execute(many)).one()
        anchor = newest if anchor is None else anchor
        limit = min(limit, total - offset)
        if limit <= 0:
            return Stretch([], total, anchor)
        filters = (*filters, key <= anchor)
        query = self.select(scope, *filters)
        query = query.options(*(defer(column, raiseload=True) for column in without))
        columns = [*(col(column) for column in order), key]
        # From the end that is nearer: rows that come before are read, too, only to be left out.
        rest = total - offset - limit
        if rest < offset:
            last_first = query.order_by(*(column.asc() for column in columns)).limit(limit).offset(rest)
            return Stretch((await self.session.execute(last_first)).scalars().all()[::-1], total, anchor)
        query = query.order_by(*(column.desc() for column in columns)).limit(limit).offset(offset)
        return Stretch((await self.session.execute(query)).scalars().all(), total, anchor)

    async def cursor_page(
        self,
        scope: Scope,
        *filters: ColumnElement[bool],
        order: Sequence[Any],
        limit: int = 20,
        cursor: str | None = None,
    ) -> CursorPage[Row]:
        """Return a page by cursor: the rows after it in the descending order of the columns, the last one unique.

        Raises:
            BadRequest: the cursor is not one of this list.
        """
        columns = [cast("InstrumentedAttribute[Any]", column) for column in order]
        if cursor is not None:
            filters = (*filters, after(columns, cursor))
        query = self.select(scope, *filters).order_by(*(column.desc() for column in columns)).limit(limit + 1)
        rows = (await self.session.execute(query)).scalars().all()
        if len(rows) <= limit:
            return CursorPage(rows, None)
        last = rows[limit - 1]
        return CursorPage(rows[:limit], encode_cursor([getattr(last, column.key) for column in columns]))
