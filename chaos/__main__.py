"""``python -m chaos``: a storm, and whether everything survived it."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from cairn import orderly
from chaos import clocks
from chaos.postgresql import have_own_mounts
from chaos.report import page
from chaos.run import Plan, run


def main() -> int:
    """Run a storm, write its report; return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the storm rages (60)")
    parser.add_argument("--seed", default="1", help="of all chance; or `fresh` (1)")
    parser.add_argument("--clients", type=int, default=24, help="how many work at once (24)")
    parser.add_argument("--report", type=Path, help="file for the report, a page in Markdown")
    parser.add_argument(
        "--server",
        choices=("postgresql", "dev"),
        default="postgresql",
        help="Temporal and Cairn on PostgreSQL, or a dev server and SQLite",
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # stops all that it started
    seed = random.randrange(1 << 31) if given.seed == "fresh" else int(given.seed)
    cluster = given.server == "postgresql"
    folder = Path(tempfile.mkdtemp(prefix="cairn-chaos-"))
    folder.chmod(0o755)  # PostgreSQL, which is not run by root, has to find its data in it
    own_disk = cluster and have_own_mounts()
    clocks.load(folder)
    plan = Plan(given.seconds, seed, given.clients, cluster, own_disk)
    sys.stdout.write(f"A storm of {plan.seconds:.0f} s by seed {plan.seed}, on {given.server}.\n")
    sys.stdout.flush()
    outcome = asyncio.run(run(plan, folder))
    report = page(plan, outcome)
    sys.stdout.write(report)
    if given.report is not None:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text(report)
    if outcome.violations:
        sys.stdout.write(f"\nLogs: {folder}\n")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    orderly.run(main)
