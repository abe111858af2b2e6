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
    given = _given()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # stops all that it started
    orderly.die_with_parent()
    seed = random.randrange(1 << 31) if given.seed == "fresh" else int(given.seed)
    folder = Path(tempfile.mkdtemp(prefix="cairn-chaos-"))
    folder.chmod(0o755)  # PostgreSQL, which is not run by root, has to find its data in it
    cluster = given.server == "postgresql"
    postgresql = cluster or given.database == "postgresql"
    own_disk = postgresql and have_own_mounts()
    clocks.load(folder)
    plan = Plan(given.seconds, seed, given.clients, postgresql, cluster, own_disk, settle=given.settle)
    sys.stdout.write(f"A storm of {plan.seconds:.0f} s by seed {plan.seed}.\n")
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


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the storm rages (60)")
    parser.add_argument("--seed", default="1", help="of all chance; or `fresh` (1)")
    parser.add_argument("--clients", type=int, default=24, help="how many work at once (24)")
    parser.add_argument("--settle", type=float, default=Plan().settle, help="seconds to come to rest in (150)")
    parser.add_argument("--report", type=Path, help="file for the report, a page in Markdown")
    servers = ("postgresql", "dev")
    parser.add_argument("--server", choices=servers, default="postgresql", help="Temporal on it, or a dev server")
    databases = ("postgresql", "sqlite")
    help_ = "of Cairn (--server dev: sqlite, else always postgresql)"
    parser.add_argument("--database", choices=databases, help=help_)
    given = parser.parse_args()
    if given.server == "postgresql" and given.database == "sqlite":
        parser.error("--database sqlite takes --server dev")
    return given


if __name__ == "__main__":
    orderly.run(main)
