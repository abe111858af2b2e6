"""From a model to those who follow it: worker and API are two processes, so here each has a database object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from database import execute
from installation import until
from sqlalchemy import func, select, update
from sqlalchemy import text as sql
from sqlalchemy.engine import make_url

from cairn.domain.executions import token_readers, token_wakeups, tokens
from cairn.domain.executions.token_readers import BEGINNING, KeptText, Told, Visit, VisitReader
from cairn.domain.executions.token_wakeups import wakeups
from cairn.domain.executions.tokens import TokenWriter, purge_tokens, stream_of
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import StreamChunkRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[TokenWriter]:
    database = Database(create_engine(database_url))
    yield TokenWriter(database)
    await database.dispose()


def stream(writer: TokenWriter, *, after: int = 0, attempt: int = 1, call: str = "", node: str = "n", visit: int = 1):
    return stream_of(
        writer,
        temporal_id="t.e1",
        run_id="r1",
        node_id=node,
        visit=visit,
        call=call,
        attempt=attempt,
        scheduled_at=NOON + timedelta(seconds=after),
    )


def reader(database: Database, visit: int = 1, run: str = "r1") -> VisitReader:
    return VisitReader(database, Visit("t.e1", run, "n", visit))


async def read(found: VisitReader) -> list[tuple[str, int, str, bool]]:
    told: list[Told] = []
    more = True
    while more:
        page, more = await found.read()
        told += page
    return [(each.call, each.attempt, each.text, each.restart) for each in told]


async def test_a_text_is_read_while_it_is_written_each_piece_once(writer: TokenWriter, database: Database) -> None:
    following = reader(database)
    async with stream(writer) as out:
        out.write("Once ", restart=True)
        out.write("upon ")

        async def first() -> list[tuple[str, int, str, bool]]:
            return await read(following)

        assert await until(first) == [("", 1, "Once upon ", True)]
        out.write("a time")
    assert await read(following) == [("", 1, "a time", False)]
    assert await read(following) == []
    assert await read(reader(database)) == [("", 1, "Once upon a time", True)], "who comes later has all of it at once"
    assert await read(reader(database, visit=2)) == await read(reader(database, run="r2")) == []


async def test_another_try_and_another_turn_begin_anew(writer: TokenWriter, database: Database) -> None:
    following = reader(database)
    async with stream(writer) as out:
        out.write("half an ans", restart=True)
    assert await read(following) == [("", 1, "half an ans", True)]
    async with stream(writer, after=5, attempt=2) as out:

        async def voided() -> list[tuple[str, int, str, bool]]:
            return await read(following)

        assert await until(voided) == [("", 2, "", True)], "those who saw the first try hear at once that it is void"
        out.write("an answer", restart=True)
        out.write(" that is corrected", restart=True)
    assert [text for _, _, text, restart in await read(following) if restart] == ["an answer", " that is corrected"]
    async with stream(writer, after=9, call="turn2") as out:
        out.write("next turn", restart=True)
    assert await read(following) == [("turn2", 1, "next turn", True)]


async def test_reasoning_is_told_to_those_who_ask_and_apart_from_the_text(
    writer: TokenWriter, database: Database
) -> None:
    asking, other = reader(database), reader(database)
    asking.reasoning = True
    async with stream(writer) as out:
        out.write("first ", restart=True, reasoning=True)
        out.write("this", reasoning=True)
        out.write("so ")
        out.write("it is")
        out.write("no", reasoning=True)
        out.write("x" * (tokens.LONGEST + 1), reasoning=True)
        out.write(", it is not")
        out.write("anew", restart=True, reasoning=True)

        async def told() -> list[Told]:
            found, _ = await asking.read()
            return found if len(found) == 5 else []

        found = await until(told)
    assert [(each.reasoning[:10], each.text, each.restart) for each in found] == [
        ("first this", "", True),
        ("", "so it is", False),
        ("noxxxxxxxx", "", False),
        ("", ", it is not", False),
        ("anew", "", True),
    ]
    assert len(found[2].reasoning) == 2 + tokens.LONGEST + 1
    assert [each.first for each in found] == [0, *(each.number + 1 for each in found[:-1])]
    assert await read(other) == [("", 1, "so it is, it is not", True), ("", 1, "", True)]


async def test_what_a_worker_of_an_earlier_version_writes_is_read(database: Database) -> None:
    values = "'t.e1', 'r1', 'n', 1, :at, 1, 0, '', 'one', :restart, :at"
    columns = "temporal_id, run_id, node_id, visit, scheduled_at, attempt, number, call, text, restart, created_at"
    async with database.transaction() as session:
        at = {"at": NOON if session.get_bind().dialect.name == "postgresql" else "2026-01-01 12:00:00.000000"}
        statement = f"INSERT INTO stream_chunks ({columns}) VALUES ({values})"
        await session.execute(sql(statement), {**at, "restart": True})
    assert await read(reader(database)) == [("", 1, "one", True)]


async def test_a_worker_that_was_given_up_is_heard_no_more(writer: TokenWriter, database: Database) -> None:
    following = reader(database)
    async with stream(writer, after=5, attempt=2) as out:
        out.write("the new try", restart=True)
    await read(following)
    async with stream(writer, after=0) as out:
        out.write("a worker that lost its connection", restart=True)
    assert await read(following) == []


async def test_what_belongs_to_an_earlier_turn_can_be_left_out(writer: TokenWriter, database: Database) -> None:
    for turn in (1, 2):
        async with stream(writer, after=10 * turn, call=f"turn{turn}") as out:
            out.write(f"text {turn}", restart=True)
    following = reader(database)
    following.skip(NOON + timedelta(seconds=15))
    assert [text for _, _, text, _ in await read(following)] == ["text 2"]


async def test_a_slow_follower_costs_a_page(
    writer: TokenWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_readers, "PAGE", 10)
    async with stream(writer) as out:
        for number in range(25):
            out.write(f"{number} ", restart=True)
    following = reader(database)
    sizes = []
    more = True
    while more:
        page, more = await following.read()
        sizes.append(len(page))
    assert sizes == [10, 10, 5]


async def test_a_long_text_comes_in_bites(writer: TokenWriter, database: Database) -> None:
    text = "".join(f"{number:07} " for number in range(20_000))
    async with stream(writer) as out:
        out.write("Once ", restart=True)
        out.write(text)
    following, found, more = reader(database), [], True
    while more:
        page, more = await following.read()
        found.append(page)
    assert all(sum(len(each.text) for each in page) < token_readers.MOST + tokens.LONGEST for page in found)
    assert "".join(each.text for page in found for each in page) == "Once " + text


async def test_a_text_is_read_once_for_all_who_follow(writer: TokenWriter, database: Database) -> None:
    kept = KeptText(database, Visit("t.e1", "r1", "n", 1))
    quick, slow, late = reader(database), reader(database), reader(database)

    async def told(follower: VisitReader) -> str:
        return "".join(each.text for each in (await follower.read("", kept))[0])

    async with stream(writer) as out:
        out.write("one ", restart=True)
        assert await until(lambda: kept.read(1000))
        assert await told(quick) == await told(slow) == "one "
        for word in ("two ", "three ", "four "):
            out.write(word)
            assert await until(lambda: kept.read(10))
            assert await told(quick) == word
        assert kept.size <= 10 and kept.after(BEGINNING, None) is None
        assert await told(slow) == "two three four ", "what is not kept is read from the table"
        assert await told(late) == "one two three four "
        assert await told(quick) == await told(slow) == await told(late) == ""
    async with stream(writer, after=5, call="turn2") as out:
        out.write("other", restart=True)
    assert await kept.read(10) and not await kept.read(10)
    assert await told(quick) == "", "of another call"


async def test_all_models_of_a_worker_share_its_transactions(writer: TokenWriter, database: Database) -> None:
    async def model(number: int) -> None:
        async with stream(writer, node=f"n{number}") as out:
            for _ in range(50):
                out.write("word ", restart=False)
                await asyncio.sleep(0)

    await asyncio.gather(*(model(number) for number in range(20)))
    async with database.session() as session:
        rows = (await session.execute(select(StreamChunkRow.node_id, StreamChunkRow.text))).all()
        times = (await session.execute(select(func.count(StreamChunkRow.created_at.distinct())))).scalar_one()
    texts: dict[str, str] = {}
    for node, text in rows:
        texts[node] = texts.get(node, "") + text
    assert texts == {f"n{number}": "word " * 50 for number in range(20)}
    assert len(rows) < 20 * 50 / 5 and times <= len(rows)


async def test_a_database_that_takes_no_more_ends_the_text_and_not_the_node(
    writer: TokenWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stream(writer) as out:
        out.write("before ", restart=True)
        await until(lambda: out.number == 1)
        out.number = 0  # so that the next piece collides with the first
        out.write("lost ")
        await until(lambda: out.broken)
        out.write("after")
    assert await read(reader(database)) == [("", 1, "before ", True)]
    async with stream(writer, after=1) as out:
        out.write("NUL \0 is no text", restart=True)
        await until(lambda: out.number == 1)
        out.write("\0")
    assert out.number == 1, "nor a piece by itself"
    assert await read(reader(database)) == [("", 1, "before ", True), ("", 1, "NUL  is no text", True)]


async def test_texts_are_removed_when_they_have_been_silent_for_long(writer: TokenWriter, database: Database) -> None:
    for node in ("old", "under_way"):
        async with stream(writer, node=node) as out:
            out.write("a", restart=True)
    async with database.transaction() as session:
        old = datetime.now(UTC) - tokens.KEPT - timedelta(seconds=1)
        await session.execute(update(StreamChunkRow).values(created_at=old))
    async with stream(writer, node="under_way", after=1) as out:
        out.write("b")
    async with database.transaction() as session:
        await purge_tokens(session)
    async with database.session() as session:
        rows = (await session.execute(select(StreamChunkRow.node_id, StreamChunkRow.text))).all()
    assert sorted(map(tuple, rows)) == [("under_way", "a"), ("under_way", "b")]


async def test_followers_are_woken(
    writer: TokenWriter, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL wakes by itself; the time after which one looks all the same is out of reach here."""
    monkeypatch.setattr(token_wakeups, "_MISSED", 60.0)
    woken = wakeups(database)
    async with asyncio.timeout(20), woken.of("t.e1") as mine:
        await mine.wait()
        async with stream(writer) as out:
            out.write("news", restart=True)
            await mine.wait()
    await woken.aclose()


async def test_only_who_waits_for_them_is_woken_by_news(
    writer: TokenWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_wakeups, "_MISSED", 60.0)
    woken = wakeups(database)
    async with asyncio.timeout(20), woken.of("t.e1") as mine, woken.of("t.e2") as others:
        await asyncio.gather(mine.wait(), others.wait())
        waiting = asyncio.create_task(others.wait())
        for after in range(3):
            async with stream(writer, after=after) as out:
                out.write("news", restart=True)
                await mine.wait()
        assert not waiting.done()
        waiting.cancel()
    await woken.aclose()


async def test_a_lost_connection_is_made_again(
    writer: TokenWriter, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_wakeups, "_MISSED", 60.0)
    database = Database(create_engine(postgresql_url))
    woken, out_of = wakeups(database), TokenWriter(database)
    async with asyncio.timeout(20), woken.of("t.e1") as mine:
        await mine.wait()
        url = make_url(postgresql_url)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        await asyncio.to_thread(execute, url, end)
        await mine.wait()
        async with stream(out_of) as out:
            out.write("news", restart=True)
            await mine.wait()
    await woken.aclose()
    await database.dispose()
