"""What the whole suite shares: a clean environment, one Temporal server a session, an orderly end."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cairn.orderly import exit_process

# The rest of Cairn is imported by the fixtures that need it: a run of one pure test starts three times as fast.
if TYPE_CHECKING:
    from cairn.temporal.server import DevServer

pytest_plugins = ["again", "database", "installation", "model_server", "side_by_side"]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep what is set on a developer's machine (servers, keys, data) out of the tests."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "CAIRN_", "OTEL_", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_")):
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull


_SESSION = pytest.StashKey[pytest.Session]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_SESSION] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process in order after pytest's closing line, with pytest's status (see ``cairn.orderly``).

    One of several side by side is ended by who started it.
    """
    session = config.stash.get(_SESSION, None)
    if session is not None and not hasattr(config, "workerinput"):
        exit_process(int(session.exitstatus))


@pytest.fixture(scope="session")
async def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """A real Temporal server of this session: free ports, a database file of its own, search attributes registered.

    With ``TEST_TEMPORAL=postgresql`` it is a cluster of another version, on PostgreSQL (see ``chaos/cluster.py``).
    """
    if os.environ.get("TEST_TEMPORAL") == "postgresql":
        from chaos.cluster import running_cluster

        async with running_cluster() as cluster:
            yield cluster
        return
    from cairn.ports import find_free
    from cairn.settings import Settings
    from cairn.temporal import server

    folder = tmp_path_factory.mktemp("temporal")
    settings = Settings(home=folder, temporal_port=find_free(), temporal_ui_port=find_free())
    with pytest.MonkeyPatch.context() as patch:
        # Nothing takes the machine's power away: nobody waits until the disk has what was written.
        patch.setitem(server._SQLITE_PRAGMAS, "synchronous", "off")
        running = await server.start_dev_server(settings, server.find_server(settings), log=folder / "server.log")
    yield running
    await running.stop()


@pytest.fixture
def temporal_port(temporal_server: DevServer) -> int:
    """Port of the session's Temporal server, for ``Settings(temporal_port=…)``."""
    return int(temporal_server.address.rpartition(":")[2])


@pytest.fixture
def task_queue() -> str:
    """A task queue of this test alone."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def cairn_home(tmp_path: Path) -> Path:
    """A fresh ``CAIRN_HOME``."""
    return tmp_path / "home"
