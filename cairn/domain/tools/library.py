"""A small library of articles with full-text search, for trying graphs without a network."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_ARTICLES = "articles"


@dataclass(frozen=True, slots=True)
class Article:
    """One article: ``id`` is its file's name, ``text`` is Markdown without the title."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """An article that was found; a higher ``score`` is better (BM25, the title counts threefold)."""

    id: str
    title: str
    text: str
    score: float


class Library:
    """Articles in a full-text index in memory."""

    def __init__(self, articles: Iterable[Article]) -> None:
        """Index the articles."""
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute("CREATE VIRTUAL TABLE article USING fts5(id UNINDEXED, title, text, tokenize='porter')")
        self._database.executemany(
            "INSERT INTO article VALUES (?, ?, ?)", [(each.id, each.title, each.text) for each in articles]
        )

    @staticmethod
    @cache
    def bundled() -> Library:
        """Return the library that comes with Cairn."""
        folder = files(__package__ or "") / _ARTICLES
        articles = [_parse(entry.name, entry.read_text("utf-8")) for entry in folder.iterdir()]
        return Library(sorted(articles, key=lambda article: article.id))

    def search(self, query: str, limit: int) -> list[Hit]:
        """Return up to ``limit`` articles that hold a word of the query, best first."""
        words = sorted({word for word in re.findall(r"\w{3,}", query.lower()) if not _COMMON.fullmatch(word)})
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in words)
        with self._lock:
            rows = self._database.execute(
                "SELECT id, title, text, bm25(article, 0, 3, 1) AS rank FROM article WHERE article MATCH ?"
                " ORDER BY rank, id LIMIT ?",
                (match, limit),
            ).fetchall()
        return [Hit(id, title, text, round(-rank, 3)) for id, title, text, rank in rows]

    def close(self) -> None:
        """Free the index."""
        self._database.close()


def _parse(name: str, text: str) -> Article:
    heading, _, body = text.partition("\n")
    return Article(name.removesuffix(".md"), heading.removeprefix("#").strip(), body.strip())


_COMMON = re.compile(
    "about|after|all|and|any|are|but|can|could|does|for|from|had|has|have|how|into|its|not|our|out|own|should|than|that"
    "|the|their|them|then|there|these|they|this|was|were|what|when|where|which|who|why|will|with|would|you|your"
)
