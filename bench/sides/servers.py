"""The servers that the sides need, on this host, and the sides that stand on them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
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
from sides.side import Side, last_line
from sides.stored import FolderStore, PostgresqlStore, RestateStore, SqliteStore, Store
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
        failed: what could not be started, a Temporal or a peer, and why.
    """

    folder: Path
    slots: int | None
    temporal: Sequence[str]
    peers: Sequence[str]
    only: Sequence[str] | None = None
    sides: list[Side] = field(default_factory=list[Side])
    callers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[list[Side]]:
        """Start everything, for as long as the block lasts; what cannot be started is left out of it."""
        async with self._stack:
            port = find_free()
            await self._program(
                "model", [sys.executable, str(HERE / "model_server.py"), str(port)], {}, lambda: _listens(port)
            )
            self._model = f"http://{HOST}:{port}/v1"
            server = await asyncio.to_thread(Postgresql, self.folder, fsync=True)
            self._stack.callback(server.stop)
            for where in self.temporal:
                on_postgresql = where == names.POSTGRESQL
                await self._attempt(where, self._on_postgresql(server) if on_postgresql else self._cairn(where, {}, []))
            for peer, begin in (
                ("langgraph", self._langgraph),
                ("dbos", self._dbos),
                ("restate", self._restate),
                ("prefect", self._prefect),
                ("conductor", self._conductor),
            ):
                if peer in self.peers:
                    await self._attempt(peer, begin(server))
            self.sides = [each for each in self.sides if self.only is None or each.name in self.only]
            for side in self.sides:
                side.others = [each for each in self.sides if each is not side and each.server is not None]
                await side.open()
                self._stack.push_async_callback(side.close)
            yield self.sides

    async def _attempt(self, what: str, begin: Awaitable[None]) -> None:
        """Start what some sides stand on, a Temporal or a peer's server; if it fails, they are left out."""
        stack = self._stack
        try:
            async with AsyncExitStack() as self._stack:  # what has come up by then ends at once
                await begin
                stack.push_async_exit(self._stack.pop_all())
        except Exception as error:  # of programs of others, which fail in their own ways
            traceback.print_exception(error)
            self.sides = [side for side in self.sides if names.known()[side.name] != what]
            self.callers.pop(what, None)
            self.failed[what] = f"{error}".partition("\n")[0]
        finally:
            self._stack = stack

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
        self._stack.callback(installation.stop)
        await asyncio.to_thread(installation.start)
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

    async def _langgraph(self, server: Postgresql) -> None:
        python = venvs.python("langgraph")
        for durability in names.DURABILITIES:
            dsn = create_database(server.dsn, f"langgraph_{durability}")
            command = [python, "run_langgraph.py", durability, dsn]
            self._add(names.langgraph(durability), command, [PostgresqlStore(dsn)])
            file = self.folder / f"langgraph-{durability}.db"
            command = [python, "run_langgraph.py", durability, str(file)]
            self._add(names.langgraph(durability, sqlite=True), command, [SqliteStore(file)])

    async def _dbos(self, server: Postgresql) -> None:
        dsn = create_database(server.dsn, "dbos")
        self._add(names.DBOS, [venvs.python("dbos"), "run_dbos.py", dsn], [PostgresqlStore(dsn)])

    async def _restate(self, _: Postgresql) -> None:
        home = self.folder / "restate"
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
        server = await self._program(
            "restate",
            [venvs.restate("restate-server"), "--no-logo"],
            environment,
            lambda: answers(f"http://{admin}/health"),
        )
        command = [venvs.python("restate"), "run_restate.py", f"http://{ingress}", f"http://{admin}"]
        store = RestateStore(venvs.restate("restatectl"), f"http://{node}")
        self._add(names.RESTATE, command, [store]).needs = [server]

    async def _prefect(self, postgresql: Postgresql) -> None:
        home, dsn = self.folder / "prefect", create_database(postgresql.dsn, "prefect")
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
        server = await self._program("prefect", command, environment, lambda: _listens(port))
        stores = [PostgresqlStore(dsn), FolderStore(home / "storage")]
        side = self._add(names.PREFECT, [python, "run_prefect.py"], stores, environment, EVERYTHING - {"wait"})
        side.server, side.needs = server.pid, [server]  # at rest it takes a third of a core

    async def _conductor(self, postgresql: Postgresql) -> None:
        dsn = create_database(postgresql.dsn, "conductor")
        python, jar, port = venvs.python("conductor"), venvs.conductor_server(), find_free()
        settings = {
            **CONDUCTOR,
            "server.address": HOST,
            "server.port": str(port),
            "spring.datasource.url": f"jdbc:{dsn.replace(f'{postgresql.user}@', '')}",
            "spring.datasource.username": postgresql.user,
        }
        command = [venvs.java(), "-jar", jar, *(f"--{name}={value}" for name, value in settings.items())]
        url = f"http://{HOST}:{port}"
        server = await self._program(
            "conductor", command, {}, lambda: answers(f"{url}/actuator/health"), CONDUCTOR_START
        )
        side = [python, "run_conductor.py", f"{url}/api", str(self.slots or CONDUCTOR_SLOTS)]
        self._add(names.CONDUCTOR, side, [PostgresqlStore(dsn)]).needs = [server]

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
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        up: Callable[[], bool] | None = None,
        within: float = START,
    ) -> subprocess.Popen[bytes]:
        """Start a program, which ends with the servers, and wait until it is up.

        Raises:
            RuntimeError: it has ended, or is not up in time; the message has the end of its log after the first line.
        """
        file = self.folder / f"{name}.log"
        process = start(command, {**os.environ, orderly.PARENT_VARIABLE: str(os.getpid()), **environment}, file)
        self._stack.callback(end, process)
        deadline = time.monotonic() + within
        while up is not None and not await asyncio.to_thread(up):
            ended = process.poll()
            if ended is not None or time.monotonic() > deadline:
                why = f"did not come up within {within:.0f} s" if ended is None else f"ended with status {ended}"
                raise RuntimeError(f"its server {why}: {last_line(file)}\n{file.read_text(errors='replace')[-2_000:]}")
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
