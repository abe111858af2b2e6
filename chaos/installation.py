"""An installation to be hurt: databases, Temporal, two APIs, two workers, and a ledger, in a folder."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

from temporalio.client import Client

from cairn.cli.setup import prepare
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.connection import connect
from chaos.clocks import Clock
from chaos.cluster import Cluster
from chaos.ledger import VARIABLE, Ledger
from chaos.links import Link
from chaos.outside import HOST, MODEL, TOLD, Outside
from chaos.postgresql import DatabaseServer
from chaos.programs import Prepare, Program, environment, is_listening, stop_all, until

START = 90.0
"""Seconds that a program may take to start on a busy machine."""


class Installation:
    """The programs, and what a client needs to know of them.

    Attributes:
        links: between them, and from the clients to the APIs; everything but what the driver looks up goes over them.
        clocks: of APIs and workers, by name.
        told_url: where notifications go, over a link.
    """

    client: Client

    def __init__(
        self,
        folder: Path,
        outside: Outside,
        *,
        postgresql: bool = False,
        cluster: bool = False,
        bug: Prepare | None = None,
    ) -> None:
        """Lay it out; nothing is started yet.

        Args:
            folder: of all its data.
            outside: what its executions talk to.
            postgresql: Cairn's database on PostgreSQL instead of a file.
            cluster: Temporal on PostgreSQL instead of a dev server; Cairn's database is there, too.
            bug: makes Cairn wrong, in each of its processes before it begins.
        """
        self.folder = folder
        self.outside = outside
        self.ledger = Ledger(folder)
        self._bug = bug
        self.links: list[Link] = []
        self.clocks: dict[str, Clock] = {}
        self.postgresql = DatabaseServer(folder) if postgresql or cluster else None
        self.cluster: Cluster | None = None
        if self.postgresql is not None and cluster:
            self.cluster = Cluster(folder, database_port=self._link("temporal", "postgresql", self.postgresql.port))
        self.settings = Settings(
            home=folder,
            temporal_port=self.cluster.port if self.cluster else find_free(),
            temporal_ui_port=find_free(),
            task_queue=f"chaos-{uuid.uuid4().hex}",
            tool_modules=["chaos.tools"],
            history_limit=90,
            http_allow_private=True,
            openai_base_url=outside.model_url,
        )
        # Its URL is part of a graph, which does not say which worker tells.
        self.told_url = f"http://{HOST}:{self._link('workers', 'receiver', outside.port)}{TOLD}"
        if self.postgresql is not None:
            self.settings = self.settings.model_copy(update={"database_url": self._database(self.postgresql.port)})
        self.temporal = self.cluster.program if self.cluster else self._program("temporal", self.settings)
        self.ports = [find_free(), find_free()]
        self.apis = [self._cairn("api", number, port) for number, port in enumerate(self.ports, 1)]
        self.workers = [self._cairn("worker", number) for number in (1, 2)]
        self.urls = [
            f"http://{HOST}:{self._link('clients', program.name, port)}"
            for program, port in zip(self.apis, self.ports, strict=True)
        ]
        self.key = ""
        self._stack = AsyncExitStack()

    @property
    def programs(self) -> list[Program]:
        """All programs."""
        return [*self.servers, *self.apis, *self.workers]

    @property
    def servers(self) -> list[Program]:
        """Those that APIs and workers need."""
        databases = [self.postgresql.program] if self.postgresql is not None else []
        return [*databases, self.temporal]

    def _link(self, source: str, target: str, port: int) -> int:
        link = Link(f"{source} - {target}", port)
        self.links.append(link)
        return link.port

    @staticmethod
    def _database(port: int) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{port}/cairn"

    def _cairn(self, command: str, number: int, port: int | None = None) -> Program:
        """Return an API or a worker, which reaches the others by links of its own and has a clock of its own."""
        name = f"{command}-{number}"
        own: dict[str, object] = {} if port is None else {"api_port": port}
        own["temporal_port"] = self._link(name, "temporal", self.settings.temporal_port)
        if self.postgresql is not None:
            own["database_url"] = self._database(self._link(name, "postgresql", self.postgresql.port))
        if command == "worker":  # nothing that the clients ask of an API has it talk with a model
            own["openai_base_url"] = f"http://{HOST}:{self._link(name, 'model', self.outside.port)}{MODEL}"
        clock = self.clocks[name] = Clock(self.folder / f"{name}.clock")
        program = self._program(command, self.settings.model_copy(update=own), name)
        program.environment = {**program.environment, **clock.environment, "CAIRN_OPENAI_API_KEY": "sk-chaos"}
        program.prepare = self._bug
        return program

    def _program(self, command: str, settings: Settings, name: str | None = None) -> Program:
        name = name or command
        variables = {**environment(settings), VARIABLE: str(self.folder)}
        return Program(name, [command], variables, self.folder / f"{name}.log")

    async def open(self, *, own_disk: bool = False) -> None:
        """Start everything and make a key; with ``own_disk`` PostgreSQL gets a disk that can be filled."""
        await self.outside.open()
        self._stack.push_async_callback(self.outside.close)
        self._stack.push_async_callback(stop_all, self.servers)
        for link in self.links:
            await link.open()
            self._stack.push_async_callback(link.close)
        if self.postgresql is not None:
            await asyncio.to_thread(self.postgresql.prepare, own_disk=own_disk)
            self.postgresql.program.start()
            await until(self.postgresql.answers, START, "PostgreSQL answering")
            self.postgresql.create("cairn")
        if self.cluster is not None:
            await self.cluster.prepare(self._stack)
            self.temporal.start()
            await until(self.cluster.ready, START, "the cluster answering")
        elif not self.temporal.alive:
            self.temporal.start()
        await until(self._connects, START, "Temporal answering")
        self.key = await prepare(self.settings) or ""
        # They end before all else does: who cannot reach Temporal any more is long in ending in order.
        self._stack.push_async_callback(self._stop_ours)
        await self.up()

    async def _connects(self) -> bool:
        """Whether Temporal serves; a server that listens may not yet."""
        try:
            self.client = await connect(self.settings, lazy=False)
        except RuntimeError:
            return False
        return True

    async def up(self) -> None:
        """Have every program run and listen, however often it takes: one may need another that is not there yet."""
        ports = [self.settings.temporal_port, *self.ports]
        if self.postgresql is not None:
            ports.insert(0, self.postgresql.port)

        async def listen() -> bool:
            for program in self.programs:
                program.thaw()
                if not program.alive:
                    program.start()
            await asyncio.sleep(0.3)
            return all([await is_listening(port) for port in ports]) and all(p.alive for p in self.programs)

        await until(listen, START, "every program listening")

    def memory(self) -> dict[str, int]:
        """Return how many bytes each API and each worker holds."""
        return {program.name: program.memory() for program in (*self.apis, *self.workers)}

    async def _stop_ours(self) -> None:
        """End APIs and workers, all at once."""
        await asyncio.gather(*(program.stop() for program in (*self.apis, *self.workers)))

    async def close(self) -> None:
        """End everything."""
        await self._stack.aclose()
