"""The servers that the sides need, on this host, and the sides that stand on them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import handwritten
import httpx2
import psycopg

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.ports import find_free
from chaos.cluster import Cluster, Postgresql
from chaos.programs import until
from sides import names, venvs
from sides.side import Side
from sides.stored import FolderStore, PostgresqlStore, SqliteStore, Store
from sides.work import MODEL_URL

HERE = Path(__file__).parent
HOST = "127.0.0.1"
START = 90.0
EVERYTHING = frozenset({"produce", "think", "ask", "wait"})
SEGMENTS = EVERYTHING - {"wait"}
"""What a segment holds."""

CONDUCTOR = {
    "conductor.db.type": "postgres",
    "conductor.queue.type": "postgres",
    "conductor.indexing.type": "postgres",
    "conductor.elasticsearch.version": "0",
    "management.health.elasticsearch.enabled": "false",
    "conductor.app.workflowExecutionLockEnabled": "true",  # in the server itself, since it is one
    # What its page on PostgreSQL says under performance.
    "conductor.postgres.pollDataFlushInterval": "5000",
    "conductor.postgres.pollDataCacheValidityPeriod": "5000",
    "conductor.postgres.onlyIndexOnStatusChange": "true",
    "conductor.app.taskIndexingEnabled": "false",
    # What is not measured here.
    "conductor.scheduler.enabled": "false",
    "conductor.integrations.ai.enabled": "false",
    "conductor.app.systemTaskWorkerPollInterval": "5s",
    "logging.level.root": "ERROR",
}
CONDUCTOR_START = 300.0
CONDUCTOR_SLOTS = 100
"""Steps at a time, what its SDK's documentation has for asynchronous workers."""


@dataclass
class Servers:
    """What is to be started.

    Attributes:
        folder: of all data.
        slots: activities that a worker runs at a time; None for the products' own numbers.
        temporal: on what Temporal stands, each of them.
        peers: the other systems, by the names of their environments.
        only: names of the sides that are wanted; None for all of them.
        sides: those that can be measured, once it is open.
        callers: environments with which programs reach Cairn, by that on which its Temporal stands.
    """

    folder: Path
    slots: int | None
    temporal: Sequence[str]
    peers: Sequence[str]
    only: Sequence[str] | None = None
    sides: list[Side] = field(default_factory=list[Side])
    callers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[list[Side]]:
        """Start everything, for as long as the block lasts."""
        async with self._stack:
            port = find_free()
            await self._program("model", [sys.executable, str(HERE / "model_server.py"), str(port)], {}, port)
            self._model = f"http://{HOST}:{port}/v1"
            server = await asyncio.to_thread(Postgresql, self.folder, fsync=True)
            self._stack.callback(server.stop)
            for where in self.temporal:
                await (self._on_postgresql(server) if where == names.POSTGRESQL else self._cairn(where, {}, []))
            await self._peers(server)
            self.sides = [each for each in self.sides if self.only is None or each.name in self.only]
            for side in self.sides:
                side.others = [each for each in self.sides if each is not side and each.server is not None]
                await side.open()
                self._stack.push_async_callback(side.close)
            yield self.sides

    async def _on_postgresql(self, server: Postgresql) -> None:
        cluster = await cluster_on(server, self.folder, self._stack)
        dsn = create_database(server.dsn, "cairn")
        settings = {
            "TEMPORAL_ADDRESS": cluster.address,
            "CAIRN_DATABASE_URL": dsn.replace("postgresql:", "postgresql+psycopg:"),
        }
        databases = [dsn, *(dsn.replace("/cairn", f"/{name}") for name in ("temporal", "temporal_visibility"))]
        await self._cairn(names.POSTGRESQL, settings, [PostgresqlStore(each) for each in databases])

    async def _cairn(self, where: str, settings: Mapping[str, str], stores: Sequence[Store]) -> None:
        """Start Cairn and the worker of the workflow by hand, beside one Temporal."""
        home = self.folder / where.replace(" ", "-")
        home.mkdir()
        slots = {"CAIRN_WORKER_ACTIVITIES": str(self.slots), handwritten.SLOTS: str(self.slots)} if self.slots else {}
        own = {
            "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(HERE)))),
            "CAIRN_TOOL_MODULES": '["bench_tools"]',
            "CAIRN_OPENAI_BASE_URL": self._model,
            "CAIRN_STREAM_MODELS": "false",
            "CAIRN_LOG_LEVEL": "WARNING",
            MODEL_URL: self._model,
        }
        installation = Installation(home, {**own, **slots, **settings})
        await asyncio.to_thread(installation.start)
        self._stack.callback(installation.stop)
        environment = {
            **installation.environment,
            "BENCH_URL": installation.url,
            "BENCH_KEY": installation.key,
        }
        self.callers[where] = environment
        worker = [sys.executable, str(HERE.parent / "handwritten.py")]
        await self._program(f"by-hand-{home.name}", worker, environment)
        files = [SqliteStore(home / "cairn.db"), SqliteStore(home / "temporal.db")]
        kept = [*(stores or files), FolderStore(home / "blobs")]
        for name, command, works in (
            (names.STEP, ["run_cairn.py", "step"], EVERYTHING),
            (names.SEGMENT, ["run_cairn.py", "segment"], SEGMENTS),
            (names.CODE, ["run_cairn.py", "code"], frozenset({"produce"})),
            (names.BY_HAND, ["run_temporal.py"], EVERYTHING),
        ):
            self._add(names.on(name, where), [sys.executable, *command], kept, environment, works)

    async def _peers(self, server: Postgresql) -> None:
        """Start what the peers need, each on a database of its own."""
        if "langgraph" in self.peers:
            python = venvs.python("langgraph")
            for durability in names.DURABILITIES:
                dsn = create_database(server.dsn, f"langgraph_{durability}")
                command = [python, "run_langgraph.py", durability, dsn]
                self._add(names.langgraph(durability), command, [PostgresqlStore(dsn)])
                file = self.folder / f"langgraph-{durability}.db"
                command = [python, "run_langgraph.py", durability, str(file)]
                self._add(names.langgraph(durability, sqlite=True), command, [SqliteStore(file)])
        if "dbos" in self.peers:
            dsn = create_database(server.dsn, "dbos")
            self._add(names.DBOS, [venvs.python("dbos"), "run_dbos.py", dsn], [PostgresqlStore(dsn)])
        if "restate" in self.peers:
            await self._restate(self.folder / "restate")
        if "prefect" in self.peers:
            await self._prefect(self.folder / "prefect", create_database(server.dsn, "prefect"))
        if "conductor" in self.peers:
            await self._conductor(create_database(server.dsn, "conductor"), server)

    async def _restate(self, home: Path) -> None:
        ports = [find_free() for _ in range(3)]
        ingress, admin, node = (f"{HOST}:{port}" for port in ports)
        environment = {
            "RESTATE_BASE_DIR": str(home),
            "RESTATE_NODE_NAME": "bench",
            "RESTATE_INGRESS__BIND_ADDRESS": ingress,
            "RESTATE_ADMIN__BIND_ADDRESS": admin,
            "RESTATE_BIND_ADDRESS": node,
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_LOG_FILTER": "error",
        }
        await self._program("restate", [venvs.restate_server(), "--no-logo"], environment, ports[1])
        await until(lambda: asyncio.to_thread(answers, f"http://{admin}/health"), START, "Restate answering")
        command = [venvs.python("restate"), "run_restate.py", f"http://{ingress}", f"http://{admin}"]
        self._add(names.RESTATE, command, [])

    async def _prefect(self, home: Path, dsn: str) -> None:
        python, port = venvs.python("prefect"), find_free()
        environment = {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://{HOST}:{port}/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": dsn.replace("postgresql:", "postgresql+asyncpg:"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        }
        command = [python, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
        server = await self._program("prefect", command, environment, port)
        stores = [PostgresqlStore(dsn), FolderStore(home / "storage")]
        side = self._add(names.PREFECT, [python, "run_prefect.py"], stores, environment, EVERYTHING - {"wait"})
        side.server = server.pid  # at rest it takes a third of a core

    async def _conductor(self, dsn: str, server: Postgresql) -> None:
        python, jar, port = venvs.python("conductor"), venvs.conductor_server(), find_free()
        settings = {
            **CONDUCTOR,
            "server.address": HOST,
            "server.port": str(port),
            "spring.datasource.url": f"jdbc:{dsn.replace(f'{server.user}@', '')}",
            "spring.datasource.username": server.user,
        }
        command = [venvs.java(), "-jar", jar, *(f"--{name}={value}" for name, value in settings.items())]
        await self._program("conductor", command, {})
        url = f"http://{HOST}:{port}"
        await until(
            lambda: asyncio.to_thread(answers, f"{url}/actuator/health"), CONDUCTOR_START, "Conductor answering"
        )
        side = [python, "run_conductor.py", f"{url}/api", str(self.slots or CONDUCTOR_SLOTS)]
        self._add(names.CONDUCTOR, side, [PostgresqlStore(dsn)])

    def _add(
        self,
        name: str,
        command: Sequence[str],
        stores: Sequence[Store],
        environment: Mapping[str, str] | None = None,
        works: frozenset[str] = EVERYTHING,
    ) -> Side:
        python, program, *arguments = command
        log = self.folder / f"{name.replace(' ', '-').replace(',', '')}.log"
        told = {MODEL_URL: self._model, **(environment or {})}
        self.sides.append(Side(name, [python, str(HERE / program), *arguments], told, log, stores, works))
        return self.sides[-1]

    async def _program(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], port: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program, which ends with the servers, and wait until it listens."""
        file = self.folder / f"{name}.log"
        process = start(command, {**os.environ, orderly.PARENT_VARIABLE: str(os.getpid()), **environment}, file)
        self._stack.callback(end, process)
        deadline = time.monotonic() + START
        while port is not None and not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not come up; its log ends so:\n{file.read_text()[-2_000:]}")
            await asyncio.sleep(0.1)
        return process


async def cluster_on(server: Postgresql, folder: Path, stack: AsyncExitStack) -> Cluster:
    """Run Temporal on a PostgreSQL server, for as long as the stack is open."""
    cluster = Cluster(folder, database_port=server.port)
    await cluster.prepare(stack)
    stack.push_async_callback(cluster.program.stop)
    cluster.program.start()
    await until(cluster.ready, START, "Temporal on PostgreSQL answering")
    return cluster


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a file."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, by force when it does not end in order."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def answers(url: str) -> bool:
    """Whether a server answers a GET with success."""
    try:
        with httpx2.Client(trust_env=False, timeout=5) as client:
            return client.get(url).is_success
    except httpx2.HTTPError:
        return False


def create_database(dsn: str, name: str) -> str:
    """Create a database on a server; return its own URL."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{dsn.rpartition('/')[0]}/{name}"
