"""One environment a peer, under ``.tools/peers``, exactly as its lock says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).with_name("locks")
FOLDER = ROOT / ".tools" / "peers"


def python(name: str) -> str:
    """Make the environment of a peer, if it is not as its lock says; return its interpreter."""
    lock, folder = LOCKS / f"{name}.lock", FOLDER / name
    found, stamp = folder / "bin" / "python", folder / ".lock"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return str(found)
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    print(f"setting up {name} …", file=sys.stderr)
    if not found.exists():
        subprocess.run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)], check=True)
    sync = [uv, "pip", "sync", "--quiet", "--python", str(found), "--require-hashes", str(lock)]
    subprocess.run(sync, check=True)
    stamp.write_text(lock.read_text())
    return str(found)


def restate_server() -> str:
    """Install Restate's server from npm, if it is not there as its lock says; return the program."""
    locks, folder = LOCKS / "restate-server", FOLDER / "restate-server"
    lock, stamp = (locks / "package-lock.json").read_text(), folder / ".lock"
    if not (stamp.exists() and stamp.read_text() == lock):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(locks / name, folder)
        # Install scripts would tell others of it.
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=folder, check=True)
        stamp.write_text(lock)
    (found,) = (folder / "node_modules" / "@restatedev").glob("restate-server-*/bin/restate-server")
    return str(found)


def restate_version() -> str:
    """Return the version of Restate's server."""
    dependencies = json.loads((LOCKS / "restate-server" / "package.json").read_text())["dependencies"]
    return dependencies["@restatedev/restate-server"]


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of packages in a lock."""
    lines = (LOCKS / f"{name}.lock").read_text().splitlines()
    pinned = dict(line.split(" ")[0].split("==") for line in lines if line[:1].isalnum())
    return {package: pinned[package] for package in packages}
