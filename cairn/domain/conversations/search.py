"""Finding conversations by what was said in them: the full text of the database, ranked, the words marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Integer, Select, column, func, literal_column, select, table, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ConversationRow, MessageRow

MATCHES = 3
"""Messages of a conversation that are shown."""

_MOST = 2000
"""Best messages that are looked at."""
_Query: TypeAlias = "Select[*tuple[Any, ...]]"
_WORD = re.compile(r"\w+")
_MARKS = "<mark>", "</mark>"


@dataclass(frozen=True, slots=True)
class Match:
    """A message with the words, marked in a piece of its text."""

    message_id: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation in which the words stand; ``score`` grows with how well they fit."""

    conversation_id: str
    title: str
    score: float
    matches: list[Match] = field(default_factory=list[Match])


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: all words of ``query``; the other conditions hold as well. Bounds are inclusive."""

    query: str
    agent_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def search(
    session: AsyncSession, scope: Scope, asked: Search, page: int, page_size: int
) -> tuple[Sequence[Found], int]:
    """Return a page of the conversations that fit, the best first, and how many there are."""
    words = _WORD.findall(asked.query)
    if not words:
        return [], 0
    on = _PostgreSQL(words) if session.get_bind().dialect.name == "postgresql" else _Sqlite(words)
    found: dict[str, Found] = {}
    own = [*Repository(session, ConversationRow).owned(scope), *_conditions(asked)]
    for name, title, score in await session.execute(on.titles().where(*own).limit(_MOST)):
        found[name] = Found(name, title, round(2 * score, 6))  # a title says what a conversation is about
    counted = [*own, *Repository(session, MessageRow).owned(scope), col(MessageRow.discarded).is_(False)]
    for name, title, score, message, snippet in await session.execute(on.messages().where(*counted).limit(_MOST)):
        known = found.get(name) or Found(name, title, 0.0)
        best = known if known.matches else replace(known, score=round(known.score + score, 6), matches=[])
        if len(best.matches) < MATCHES:
            best.matches.append(Match(message, snippet))
        found[name] = best
    ranked = sorted(found.values(), key=lambda each: (-each.score, each.conversation_id))
    return ranked[(page - 1) * page_size : page * page_size], len(ranked)


def _conditions(asked: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if asked.agent_id is not None:
        conditions.append(col(ConversationRow.agent_id) == asked.agent_id)
    last = func.coalesce(ConversationRow.last_message_at, ConversationRow.created_at)
    if asked.since is not None:
        conditions.append(last >= asked.since)
    if asked.until is not None:
        conditions.append(col(ConversationRow.created_at) <= asked.until)
    return conditions


def _sql(source: str) -> Any:
    return cast("Any", literal_column(source))


class _Sqlite:
    """Asks the tables of FTS5 that the migration has made."""

    def __init__(self, words: Sequence[str]) -> None:
        self._match = " ".join(f'"{word}"' for word in words)

    def titles(self) -> _Query:
        rank = _sql("-bm25(words_conversations)")
        query = select(col(ConversationRow.id), col(ConversationRow.title), rank)
        return self._of(query, "words_conversations", ConversationRow.key).order_by(rank.desc())

    def messages(self) -> _Query:
        rank = _sql("-bm25(words_messages)")
        snippet = _sql(f"snippet(words_messages, 0, '{_MARKS[0]}', '{_MARKS[1]}', '…', 24)")
        query = select(col(ConversationRow.id), col(ConversationRow.title), rank, col(MessageRow.id), snippet)
        joined = query.where(col(MessageRow.conversation_key) == ConversationRow.key)
        return self._of(joined, "words_messages", MessageRow.key).order_by(rank.desc())

    def _of(self, query: _Query, words: str, key: Any) -> _Query:
        matching = text(f"{words} MATCH :match").bindparams(match=self._match)
        kept = table(words, column("rowid", Integer()))
        return query.select_from(kept).where(kept.c.rowid == key, matching)


class _PostgreSQL:
    """Asks PostgreSQL's vectors of words, by the expressions of their indexes."""

    def __init__(self, words: Sequence[str]) -> None:
        self._query = func.plainto_tsquery(literal_column("'simple'"), " ".join(words))

    def titles(self) -> _Query:
        vector = self._vector("conversations.title")
        rank = func.ts_rank(vector, self._query)
        query = select(col(ConversationRow.id), col(ConversationRow.title), rank)
        return query.where(vector.op("@@")(self._query)).order_by(rank.desc())

    def messages(self) -> _Query:
        vector = self._vector("messages.content")
        rank = func.ts_rank(vector, self._query)
        options = f"StartSel={_MARKS[0]}, StopSel={_MARKS[1]}, MaxWords=24, MinWords=8, MaxFragments=1"
        shown = func.left(MessageRow.content, 20_000)
        snippet = func.ts_headline(literal_column("'simple'"), shown, self._query, options)
        query = select(col(ConversationRow.id), col(ConversationRow.title), rank, col(MessageRow.id), snippet)
        joined = query.where(col(MessageRow.conversation_key) == ConversationRow.key)
        return joined.where(vector.op("@@")(self._query)).order_by(rank.desc())

    def _vector(self, column: str) -> Any:
        return _sql(f"to_tsvector('simple', left({column}, 200000))")
