"""Cairn beside its peers on one host: ``make bench WHAT=peers``. Writes docs/benchmarks.md with its pictures.

    make bench WHAT=peers                                     some cells, some rounds
    make bench WHAT=peers ARGS=--full                         all of them
    make bench WHAT=peers ARGS="--tiny --out /tmp/peers"      does it work at all?

Each side is a process of its own, in an environment of its own, that is given jobs; the sides take turns. PostgreSQL,
Temporal's dev server and, when it has been built (``make chaos SERVER=postgresql`` does), Temporal on PostgreSQL are
started for it, with data in a temporary folder. PostgreSQL writes through to the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sides import machine, names, plan, venvs
from sides.page import page
from sides.plan import Found, Plan
from sides.servers import Servers

from cairn import orderly
from chaos.cluster import cache

PEERS = ("langgraph", "dbos", "restate", "prefect")
PARTS = ("steps", "stored", "kept", "travel", "requests", "load", "waiting")
SLOTS = 1_000
"""Activities that a worker runs at a time where there are many agents: each waits, and needs no processor."""

SMALL_LOAD = 40


async def measure(given: argparse.Namespace, found: Found) -> None:
    """Run all that was asked for."""
    parts: Sequence[str] = given.parts
    if {"steps", "stored", "kept", "travel", "requests"} & set(parts):
        with folder() as where:
            servers = Servers(where, None, given.temporal, given.peers)
            async with servers.open() as sides:
                measured = Plan(found, where)
                await measured.warm(sides, ["produce"])
                if "steps" in parts:
                    cells = plan.TINY if given.tiny else plan.FULL if given.full else plan.QUICK
                    rounds = (lambda cell: 1) if given.tiny else (lambda cell: 5) if given.full else _rounds
                    await measured.steps(sides, cells, rounds)
                if "stored" in parts:
                    sizes = (100, 10_000, 1_000_000) if given.full else (100, 10_000)
                    await measured.stored(sides, sizes, 2 if given.tiny else 20, 20)
                if "kept" in parts:
                    await measured.kept(sides, (10, 20) if given.tiny else plan.KEPT)
                if "travel" in parts:
                    points = (3,) if given.tiny else (10, 1_000, 10_000) if given.full else (10, 1_000)
                    await measured.travel(sides, points, 3)
                if "requests" in parts:
                    await measured.requests(servers.callers, *((50, 1_000) if given.tiny else (500, 100_000)))
    if "load" in parts:
        with folder() as where:
            async with Servers(where, SLOTS, given.temporal, given.peers).open() as sides:
                measured = Plan(found, where)
                await measured.warm(sides, ["think", "ask"])
                for work in ("think", "ask"):
                    most = SMALL_LOAD if given.tiny else plan.MOST
                    await measured.load(sides, work, 3 if given.full else 1, most)
    if "waiting" in parts:
        with folder() as where:
            async with Servers(where, None, given.temporal, given.peers).open() as sides:
                measured = Plan(found, where)
                await measured.warm(sides, ["produce"])
                await measured.waiting(sides, 50 if given.tiny else 10_000 if given.full else 2_000)


def _rounds(cell: plan.Cell) -> int:
    return cell.rounds


@contextmanager
def folder() -> Generator[Path]:
    """Make a folder for the data, which PostgreSQL's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="cairn-peers-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name)


def draw(figures: Path, into: Path) -> None:
    """Draw the charts, in the environment that has the library for it."""
    program = str(Path(__file__).parent / "sides" / "charts.py")
    subprocess.run([venvs.python("charts"), program, str(figures), str(into)], check=True)


def main() -> int:
    """Measure and write; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="every cell, five rounds")
    parser.add_argument("--tiny", action="store_true", help="next to nothing: does it work at all?")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="of all that there is")
    parser.add_argument("--peers", nargs="*", default=_peers(), choices=PEERS, help="other systems")
    parser.add_argument("--temporal", nargs="+", default=_temporal(), help="on what Temporal stands")
    parser.add_argument("--out", type=Path, default=venvs.ROOT / "docs", help="folder of the page")
    parser.add_argument("--page", action="store_true", help="only write the page anew from its figures")
    given = parser.parse_args()
    out: Path = given.out
    pictures = out / "benchmarks"
    pictures.mkdir(parents=True, exist_ok=True)
    figures = pictures / "figures.json"
    if not given.page:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the servers end, too
        found = Found()
        before = machine.describe(sys.argv[1:])
        asyncio.run(measure(given, found))
        figures.write_text(json.dumps({"machine": before, **asdict(found)}, indent=1) + "\n")
    draw(figures, pictures)
    (out / "benchmarks.md").write_text(page(json.loads(figures.read_text())))
    print(f"written: {out / 'benchmarks.md'}")
    return 0


def _peers() -> list[str]:
    return [name for name in PEERS if name != "restate" or shutil.which("npm")]


def _temporal() -> list[str]:
    built = all((cache() / name).exists() for name in ("server", "sql"))
    return [names.DEV, names.POSTGRESQL] if built else [names.DEV]


if __name__ == "__main__":
    orderly.run(main)
