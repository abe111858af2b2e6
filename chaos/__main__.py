"""``python -m chaos``: a storm, and whether everything survived it."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from cairn import orderly
from chaos.report import lines
from chaos.run import Plan, run


def main() -> int:
    """Run a storm, print its report; return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the storm rages (60)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (1)")
    parser.add_argument("--clients", type=int, default=24, help="how many work at once (24)")
    parser.add_argument(
        "--server", choices=("dev", "postgresql"), default="dev", help="a dev server, or a cluster on PostgreSQL"
    )
    given = parser.parse_args()
    plan = Plan(given.seconds, given.seed, given.clients, given.server == "postgresql")
    folder = Path(tempfile.mkdtemp(prefix="cairn-chaos-"))
    folder.chmod(0o755)  # PostgreSQL, which is not run by root, has to find its data in it
    sys.stdout.write(f"storm        {plan.seconds:.0f} s, seed {plan.seed}, {plan.clients} clients, {given.server}\n")
    sys.stdout.flush()
    outcome = asyncio.run(run(plan, folder))
    for line in lines(outcome.story, outcome.storm, outcome.violations):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"at rest      {outcome.settled:.0f} s after the storm\n")
    if outcome.violations:
        sys.stdout.write(f"logs         {folder}\n")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    orderly.run(main)
