"""Tenants, pages, and filters on JSON."""

from __future__ import annotations

from typing import Any

import pytest
from persistence.rows import Executions
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from cairn.errors import BadRequest
from cairn.persistence.json_filter import member_is
from cairn.persistence.paging import encode_cursor
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow

ACME = Scope("acme", live=True)
ORDER = (ExecutionRow.created_at, ExecutionRow.key)


async def page(database: Database, number: int, anchor: int | None = None, scope: Scope = ACME) -> Any:
    async with database.session() as session:
        repository = Repository(session, ExecutionRow)
        return await repository.page(
            scope,
            key=ExecutionRow.key,
            order=[ExecutionRow.created_at],
            page=number,
            page_size=3,
            anchor=anchor,
        )


async def test_rows_of_others_do_not_exist(database: Database) -> None:
    mine = await (await Executions.of(database)).add("mine")
    await (await Executions.of(database, live=False)).add("test")
    await (await Executions.of(database, "rival")).add("mine")
    async with database.session() as session:
        repository = Repository(session, ExecutionRow)
        assert [row.id for row in await repository.all(ACME)] == ["mine"]
        assert (await repository.get(ACME, col(ExecutionRow.id) == "mine")) is not None
        assert (await repository.get(ACME, col(ExecutionRow.id) == "test")) is None
        assert (await repository.get(Scope("nobody", live=True), col(ExecutionRow.key) == mine.key)) is None
        assert await repository.count(ACME) == 1
        assert await repository.count(Scope("acme", live=None)) == 2
        assert [row.id for row in (await repository.cursor_page(ACME, order=ORDER)).items] == ["mine"]
    assert (await page(database, 1)).total == 1


async def ids(database: Database) -> list[str]:
    async with database.session() as session:
        return [row.id for row in await Repository(session, ExecutionRow).all(ACME, order=[col(ExecutionRow.key)])]


async def test_a_row_that_is_added_alone_is_there_at_once(database: Database) -> None:
    executions = await Executions.of(database)
    document = {"half": "\ud800", "big": 2**70}
    async with database.session() as session:
        row = await Repository(session, ExecutionRow).add_alone(executions.row("first", input_data=document))
        assert await ids(database) == ["first"]
        assert row.key is not None and not session.is_modified(row)
        await session.refresh(row)
        assert (row.input_data, row.output_data, row.metadata_, row.status) == (document, None, {}, "pending")
        row.status_detail = "changed"
        await session.commit()
        with pytest.raises(IntegrityError):
            await Repository(session, ExecutionRow).add_alone(executions.row("first"))
    assert await ids(database) == ["first"]
    async with database.session() as session:
        assert (await session.get_one(ExecutionRow, row.key)).status_detail == "changed"


async def test_in_a_transaction_a_row_is_added_with_the_rest(database: Database) -> None:
    executions = await Executions.of(database)
    async with database.session() as session:
        rows = Repository(session, ExecutionRow)
        await rows.add(executions.row("first"))
        await rows.add_alone(executions.row("second"))
        assert await ids(database) == []
        await session.rollback()
        assert await ids(database) == []
        await rows.add(executions.row("third"))
        await rows.add_alone(executions.row("fourth"))
        await session.commit()
    assert await ids(database) == ["third", "fourth"]


async def test_pages_by_number_are_newest_first_and_steady_under_inserts(database: Database) -> None:
    executions = await Executions.of(database)
    for n in range(7):
        await executions.add(f"e{n}")
    first = await page(database, 1)
    assert ([row.id for row in first.items], first.total) == (["e6", "e5", "e4"], 7)
    await executions.add("late")
    second = await page(database, 2, first.anchor)
    assert ([row.id for row in second.items], second.total) == (["e3", "e2", "e1"], 7)
    third = (await page(database, 3, first.anchor)).map(lambda row: row.id)
    assert (third.items, third.total, third.page, third.page_size) == (["e0"], 7, 3, 3)
    assert (await page(database, 4, first.anchor)).items == []
    fresh = await page(database, 1)
    assert ([row.id for row in fresh.items], fresh.total) == (["late", "e6", "e5"], 8)


async def test_pages_from_either_end_fit_together(database: Database) -> None:
    executions = await Executions.of(database)
    time = (await executions.add("e0")).created_at
    for n in range(1, 10):
        await executions.add(f"e{n}", created_at=time)
    newest_first = [f"e{n}" for n in range(9, -1, -1)]
    async with database.session() as session:
        repository = Repository(session, ExecutionRow)
        for limit in (1, 3, 4, 10, 20):
            for offset in range(12):
                got = await repository.stretch(
                    ACME, key=ExecutionRow.key, order=[ExecutionRow.created_at], limit=limit, offset=offset
                )
                assert [row.id for row in got.items] == newest_first[offset : offset + limit]
                assert got.total == 10


async def test_no_rows_make_an_empty_page(database: Database) -> None:
    empty = await page(database, 1)
    assert (list(empty.items), empty.total, empty.anchor) == ([], 0, None)


async def test_pages_by_cursor_are_steady_under_inserts_and_equal_times(database: Database) -> None:
    executions = await Executions.of(database)
    time = (await executions.add("e0")).created_at
    for n in range(1, 7):
        await executions.add(f"e{n}", created_at=time)
    seen: list[str] = []
    cursor = None
    async with database.session() as session:
        repository = Repository(session, ExecutionRow)
        while True:
            got = await repository.cursor_page(ACME, order=ORDER, limit=3, cursor=cursor)
            seen += [row.id for row in got.items]
            await executions.add()
            if (cursor := got.next_cursor) is None:
                break
    assert seen == [f"e{n}" for n in range(6, -1, -1)]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%",
        "x" * 5,
        "bnVsbA",
        "ü",
        encode_cursor([]),
        encode_cursor([1, 2]),
        encode_cursor(["2026-01-01", 2]),
        encode_cursor(["2026-01-01T00:00:00Z", "2"]),
        encode_cursor(["2026-01-01T00:00:00Z", 2**64]),
        encode_cursor(["2026-01-01T00:00:00Z", True]),
        encode_cursor(["2026-01-01T00:00:00Z", 2, 3]),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_cursor_that_no_list_gave_is_refused(database: Database, cursor: str) -> None:
    async with database.session() as session:
        with pytest.raises(BadRequest):
            await Repository(session, ExecutionRow).cursor_page(ACME, order=ORDER, cursor=cursor)


METADATA = {
    "text": "5",
    "number": 5,
    "float": 2.5,
    "yes": True,
    "one": 1,
    "none": None,
    "a.b": "dot",
    'q"u': "quote",
    "$": "dollar",
    "list": [1],
    "object": {"x": 1},
    "ü": "𝄞",
    "json": '{"x": 1}',
}


CASES = [
    ("text", "5", True),
    ("number", "5", True),
    ("number", "5.0", True),
    ("number", "6", False),
    ("float", "2.5", True),
    ("yes", "true", True),
    ("yes", "1", False),
    ("one", "true", False),
    ("none", "null", True),
    ("none", "", False),
    ("a.b", "dot", True),
    ("a", "dot", False),
    ('q"u', "quote", True),
    ("$", "dollar", True),
    ("list", "1", False),
    ("list", "[1]", False),
    ("object", "1", False),
    ("x", "1", False),
    ("ü", "𝄞", True),
    ("json", '{"x": 1}', True),
    ("text", "NaN", False),
    ("number", "1e400", False),
    ("missing", "5", False),
]


async def test_members_of_metadata_are_found_the_same_way(database: Database) -> None:
    executions = await Executions.of(database)
    await executions.add("with", metadata_=METADATA)
    await executions.add("without", metadata_={})
    async with database.session() as session:
        repository = Repository(session, ExecutionRow)
        for key, value, found in CASES:
            rows = await repository.all(ACME, member_is(ExecutionRow.metadata_, key, value))
            assert [row.id for row in rows] == (["with"] if found else []), (key, value)


async def test_members_filter_together(database: Database) -> None:
    executions = await Executions.of(database)
    await executions.add("both", metadata_={"a": "1", "b": "2"})
    await executions.add("one", metadata_={"a": "1", "b": "3"})
    async with database.session() as session:
        filters = [member_is(ExecutionRow.metadata_, "a", "1"), member_is(ExecutionRow.metadata_, "b", "2")]
        rows = await Repository(session, ExecutionRow).all(ACME, *filters)
    assert [row.id for row in rows] == ["both"]
