"""How many bytes a side's executions take on the disk: what is alive, with its indexes, and no space that is free."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2
import psycopg


class Store(Protocol):
    """A place where something is stored."""

    def bytes(self) -> Mapping[str, int]:
        """Return the bytes that it holds, by what holds them."""
        ...


_TABLES = """
    SELECT oid::regclass::text, pg_relation_size(oid) > 0 FROM pg_class WHERE relkind = 'r'
    AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND relname !~ '(^|_)tasks(_v2)?$'
"""
# Temporal's queues are left out: what was done is removed from them, up to a minute later.

_OLDER = """
    SELECT format('%%s, %%s since %%s: %%s', coalesce(nullif(application_name, ''), backend_type), state, state_change,
    query) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query NOT LIKE 'autovacuum: VACUUM%%'
    AND greatest(age(backend_xid), CASE datname WHEN current_database() THEN age(backend_xmin) END) > age(%s::text::xid)
"""
# What another database reads does not matter here, but what is written there does: to whoever reads here it is under
# way, and so is all that came later.

_HELD = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND coalesce(backend_xid, backend_xmin) IS NOT NULL
"""
OLDEST = 60.0
"""Seconds after which a transaction that is still open is an error."""


@dataclass(frozen=True)
class PostgresqlStore:
    """A database, whose tables are rewritten without their dead rows before they are measured."""

    dsn: str

    def bytes(self) -> Mapping[str, int]:
        """Return the sizes of its own tables, each with its indexes and what is stored out of line.

        Raises:
            RuntimeError: somebody still sees rows that are dead, which therefore stay.
        """
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            _await_readers(connection)
            tables = connection.execute(_TABLES).fetchall()
            for name, filled in tables:
                if filled:
                    connection.execute(f"VACUUM FULL {name}".encode())
            names = [name for name, _ in tables]
            size = "SELECT name, pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) name"
            return dict(connection.execute(size, [names]).fetchall())

    def held(self) -> bool:
        """Say whether somebody is in the middle of a transaction."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(_HELD).fetchone() != (0,)


def _await_readers(connection: psycopg.Connection) -> None:
    """Wait for the end of all that began before: what it sees, no rewrite of a table leaves out."""
    begun = connection.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
    deadline = time.monotonic() + OLDEST
    while older := connection.execute(_OLDER, begun).fetchall():
        if time.monotonic() > deadline:
            shown = "; ".join(text for (text,) in older)
            raise RuntimeError(f"{connection.info.dbname}: transactions are open for {OLDEST:.0f} s: {shown}")
        time.sleep(0.05)


@dataclass(frozen=True)
class SqliteStore:
    """A database in a file, without its free pages."""

    file: Path

    def bytes(self) -> Mapping[str, int]:
        """Return the size of the pages in use."""
        if not self.file.exists():  # nothing was ever written
            return {}
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)
        try:
            one = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
            return {self.file.name: (one[0] - one[1]) * connection.execute("PRAGMA page_size").fetchone()[0]}
        finally:
            connection.close()


@dataclass(frozen=True)
class FolderStore:
    """The files of a folder."""

    folder: Path

    def bytes(self) -> Mapping[str, int]:
        """Return the size of its files."""
        return {self.folder.name: sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())}


_LIVE = re.compile(r'^restate_rocksdb_live_sst_files_size_bytes\{.*\bcf="data-\d+".*\} (\d+)$', re.MULTILINE)
"""What Restate says of the files of a partition: a column family each, of all that it knows of executions."""


@dataclass(frozen=True)
class RestateStore:
    """What the partitions of a Restate server hold, in files of RocksDB that are made compact before they are measured.

    Attributes:
        restatectl: the program that has the server do so.
        node: the server's URL for it.
    """

    restatectl: str
    node: str

    def bytes(self) -> Mapping[str, int]:
        """Return the size of the files that are in use, after all in memory was written and what is dead left out.

        Raises:
            CalledProcessError: the server did not do so.
            RuntimeError: the server does not tell how large they are.
        """
        command = [self.restatectl, "storage", "compact", "--address", self.node, "--database", "partition-store"]
        subprocess.run([*command, "--bottommost-level-compaction", "force"], check=True, capture_output=True)
        try:
            metrics = httpx2.get(f"{self.node}/metrics", trust_env=False, timeout=30).raise_for_status().text
        except httpx2.HTTPError as error:
            raise RuntimeError(f"the server tells no metrics: {error!r}") from error
        sizes = _LIVE.findall(metrics)
        if not sizes:
            raise RuntimeError("the server's metrics have no sizes of files")
        return {"partitions": sum(map(int, sizes))}
