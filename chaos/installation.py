"""An installation to be hurt: Temporal, two APIs, two workers, a database and a ledger, in a folder."""

from __future__ import annotations

import uuid
from contextlib import AsyncExitStack
from pathlib import Path

from temporalio.client import Client

from cairn.cli.setup import prepare
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.connection import connect
from chaos.cluster import Cluster
from chaos.ledger import VARIABLE, Ledger
from chaos.programs import Program, environment, listening, stop_all, until

START = 90.0
"""Seconds that a program may take to start on a busy machine."""


class Installation:
    """The programs, and what a client needs to know of them."""

    client: Client

    def __init__(self, folder: Path, *, cluster: bool = False, apis: int = 2, workers: int = 2) -> None:
        """Lay it out; nothing is started yet.

        Args:
            folder: of all its data.
            cluster: a Temporal cluster on PostgreSQL instead of a dev server on a file.
            apis: how many.
            workers: how many.
        """
        self.folder = folder
        self.ledger = Ledger(folder)
        self.cluster = Cluster(folder) if cluster else None
        self.settings = Settings(
            home=folder,
            temporal_port=self.cluster.port if self.cluster else find_free(),
            temporal_ui_port=find_free(),
            task_queue=f"chaos-{uuid.uuid4().hex}",
            tool_modules=["chaos.tools"],
            history_limit=90,
        )
        if self.cluster is not None:
            self.temporal = self.cluster.program
        else:
            self.temporal = self._program("temporal")
        self.ports = [find_free() for _ in range(apis)]
        self.apis = [self._program("api", number, port) for number, port in enumerate(self.ports, 1)]
        self.workers = [self._program("worker", number) for number in range(1, workers + 1)]
        self.key = ""
        self._stack = AsyncExitStack()

    @property
    def urls(self) -> list[str]:
        """Base URLs of the APIs."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def programs(self) -> list[Program]:
        """All programs."""
        return [self.temporal, *self.apis, *self.workers]

    def _program(self, command: str, number: int = 0, port: int | None = None) -> Program:
        name = f"{command}-{number}" if number else command
        settings = self.settings if port is None else self.settings.model_copy(update={"api_port": port})
        variables = {**environment(settings), VARIABLE: str(self.folder)}
        return Program(name, [command], variables, self.folder / f"{name}.log")

    async def open(self) -> None:
        """Start everything and make a key."""
        self._stack.push_async_callback(stop_all, self.programs)
        if self.cluster is not None:
            await self.cluster.prepare(self._stack)
        self.temporal.start()
        await listening(self.temporal, self.settings.temporal_port, START)
        if self.cluster is not None:
            await until(self.cluster.ready, START, "the cluster answering")
        self.client = await connect(self.settings, lazy=False)
        self.key = await prepare(self.settings) or ""
        await self.up()

    async def up(self) -> None:
        """Have every program run and listen."""
        for program in self.programs:
            program.thaw()
            if not program.alive:
                program.start()
        await listening(self.temporal, self.settings.temporal_port, START)
        for program, port in zip(self.apis, self.ports, strict=True):
            await listening(program, port, START)

    async def close(self) -> None:
        """End everything."""
        await self._stack.aclose()
