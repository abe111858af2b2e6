"""Definitions that a process keeps in memory: by their size, not by their number."""

from __future__ import annotations

from typing import Any

import pytest
from cachetools import LRUCache
from persistence.rows import add_graph, add_version
from statements import statements

from cairn.contracts.json import JsonObject, digest
from cairn.domain.graphs import pinned
from cairn.domain.graphs.pinned import load_definition, size_of
from cairn.persistence.session import Database


def definition(number: int, size: int, letter: str = "y") -> JsonObject:
    """Return one of so many bytes as JSON."""
    rest = size - len(f'{{"n":{number},"x":""}}')
    return {"n": number, "x": letter * (rest // len(letter.encode()))}


async def test_those_that_were_not_asked_for_the_longest_make_room(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: LRUCache[Any, JsonObject] = LRUCache(100, size_of)
    monkeypatch.setattr(pinned, "_known", kept)
    every = [definition(n, 30) for n in range(3)] + [definition(3, 40), definition(4, 120, "ü")]
    async with database.transaction() as session:
        versions = [
            await add_version(session, await add_graph(session), definition=each, digest=digest(each)) for each in every
        ]
    ids = [version.id or 0 for version in versions]

    async def read(number: int) -> bool:
        """Have it read; return whether the database was asked."""
        async with database.session() as session:
            with statements() as made:
                assert await load_definition(session, ids[number], digest(every[number])) == every[number]
        return bool(made)

    assert [await read(n) for n in (0, 1, 2, 0)] == [True, True, True, False]
    assert kept.currsize == 90
    assert [await read(n) for n in (3, 3, 0)] == [True, False, False]
    assert kept.currsize == 100 and [await read(n) for n in (4, 4)] == [True, True], "it is larger than all may be"
    assert [await read(n) for n in (0, 2, 3)] == [False] * 3, "nor does it drive out the others"
    assert await read(1), "it made room"
