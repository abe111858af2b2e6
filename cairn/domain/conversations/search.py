"""Finding conversations by what was said in them: the full text of the database, ranked, the words marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Integer, Select, column, func, literal_column, select, table, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ConversationRow, MessageRow
from cairn.persistence.types import utc_now

MATCHES = 3
"""Messages of a conversation that are shown."""

_NEWEST = 10_000
"""Newest messages, and conversations, with the words that are ranked: a common word may stand in a million."""

_MOST = 2000
"""Best ones of them that are looked at."""

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

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
    session: AsyncSession, scope: Scope, asked: Search, page: int, page_size: int, anchor: int | None = None
) -> Page[Found]:
    """Return a page of the conversations that fit, the best first.

    Its anchor is a time, in microseconds since 1970: later messages and conversations are left out of the next pages.
    """
    words = _WORD.findall(asked.query)
    if not words:
        return Page([], 0, page, page_size, anchor)
    reached = (utc_now() - _EPOCH) // _MICROSECOND if anchor is None else anchor
    on = _PostgreSQL(words) if session.get_bind().dialect.name == "postgresql" else _Sqlite(words)
    found: dict[str, Found] = {}
    own = [*Repository(session, ConversationRow).owned(scope), *_conditions(asked), *_until(ConversationRow, anchor)]
    for name, title, score, _ in await session.execute(_best(on.titles().where(*own))):
        found[name] = Found(name, title, round(2 * score, 6))  # a title says what a conversation is about
    counted = [*own, *Repository(session, MessageRow).owned(scope), col(MessageRow.discarded).is_(False)]
    counted += _until(MessageRow, anchor)
    messages: dict[str, list[int]] = {}
    for name, title, score, message in await session.execute(_best(on.messages().where(*counted))):
        known, best = found.get(name) or Found(name, title, 0.0), messages.setdefault(name, [])
        found[name] = known if best else replace(known, score=round(known.score + score, 6))
        best.append(message)
    ranked = sorted(found.values(), key=lambda each: (-each.score, each.conversation_id))
    shown = ranked[(page - 1) * page_size : page * page_size]
    wanted = {each.conversation_id: messages.get(each.conversation_id, [])[:MATCHES] for each in shown}
    rows = await session.execute(on.snippets([key for keys in wanted.values() for key in keys]))
    matches = {key: Match(message, snippet) for key, message, snippet in rows}
    # What was deleted meanwhile is not shown.
    whole = [
        replace(each, matches=[matches[key] for key in wanted[each.conversation_id] if key in matches])
        for each in shown
    ]
    return Page(whole, len(ranked), page, page_size, reached if ranked else anchor)


def _best(query: _Query) -> _Query:
    """Return the best of the newest that a query of (conversation, title, score, key) finds, newest first."""
    newest = query.limit(_NEWEST).subquery()
    return select(newest).order_by(newest.c.score.desc(), newest.c.key.desc()).limit(_MOST)


def _until(table: type[ConversationRow | MessageRow], anchor: int | None) -> list[ColumnElement[bool]]:
    # None of the first page: the clock of another process may be ahead of the anchor's.
    return [] if anchor is None else [col(table.created_at) <= _EPOCH + anchor * _MICROSECOND]


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


def _key(key: Any) -> Any:
    return cast("Any", col(key).label("key"))


class _Sqlite:
    """Asks the tables of FTS5 that the migration has made."""

    def __init__(self, words: Sequence[str]) -> None:
        self._match = " ".join(f'"{word}"' for word in words)

    def titles(self) -> _Query:
        score, key = _sql("-bm25(words_conversations)").label("score"), _key(ConversationRow.key)
        query = select(col(ConversationRow.id), col(ConversationRow.title), score, key)
        return self._of(query, "words_conversations", key).order_by(_sql("words_conversations.rowid").desc())

    def messages(self) -> _Query:
        score, key = _sql("-bm25(words_messages)").label("score"), _key(MessageRow.key)
        query = select(col(ConversationRow.id), col(ConversationRow.title), score, key)
        joined = query.where(col(MessageRow.conversation_key) == ConversationRow.key)
        return self._of(joined, "words_messages", key).order_by(_sql("words_messages.rowid").desc())

    def snippets(self, keys: Sequence[int]) -> _Query:
        snippet = _sql(f"snippet(words_messages, 0, '{_MARKS[0]}', '{_MARKS[1]}', '…', 24)")
        query = select(col(MessageRow.key), col(MessageRow.id), snippet).where(_sql("words_messages.rowid").in_(keys))
        return self._of(query, "words_messages", col(MessageRow.key))

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
        score, key = func.ts_rank(vector, self._query).label("score"), _key(ConversationRow.key)
        query = select(col(ConversationRow.id), col(ConversationRow.title), score, key)
        return query.where(vector.op("@@")(self._query)).order_by(key.desc())

    def messages(self) -> _Query:
        vector = self._vector("messages.content")
        score, key = func.ts_rank(vector, self._query).label("score"), _key(MessageRow.key)
        query = select(col(ConversationRow.id), col(ConversationRow.title), score, key)
        joined = query.where(col(MessageRow.conversation_key) == ConversationRow.key)
        return joined.where(vector.op("@@")(self._query)).order_by(key.desc())

    def snippets(self, keys: Sequence[int]) -> _Query:
        options = f"StartSel={_MARKS[0]}, StopSel={_MARKS[1]}, MaxWords=24, MinWords=8, MaxFragments=1"
        shown = func.left(MessageRow.content, 20_000)
        snippet = func.ts_headline(literal_column("'simple'"), shown, self._query, options)
        return select(col(MessageRow.key), col(MessageRow.id), snippet).where(col(MessageRow.key).in_(keys))

    def _vector(self, column: str) -> Any:
        return _sql(f"to_tsvector('simple', left({column}, 200000))")
