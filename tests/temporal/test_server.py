"""Finding, starting and stopping a Temporal server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import GetClusterInfoRequest, RegisterNamespaceRequest
from temporalio.client import Client

from cairn.errors import Unavailable
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal import server
from cairn.temporal.server import DevServer, ServerSource, find_server, register_search_attributes, start_dev_server


@pytest.fixture
def settings(cairn_home: Path) -> Settings:
    return Settings(home=cairn_home, temporal_port=find_free(), temporal_ui_port=find_free())


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    return path


class TestOrder:
    """An existing server, a named binary, one on the PATH, the package, the download."""

    def test_an_address_comes_first(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
        monkeypatch.setenv("TEMPORAL_CLI", "/nowhere")
        found = find_server(settings)
        assert (found.kind, found.where) == ("existing", "temporal.example:7233")

    def test_a_profile_of_the_configuration_file_is_an_address(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "temporal.toml"
        file.write_text('[profile.cloud]\naddress = "cloud.example:7233"\n')
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
        monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
        assert find_server(settings).where == "cloud.example:7233"

    def test_an_unreadable_configuration_is_told(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "temporal.toml"
        file.write_text("no toml")
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
        with pytest.raises(Unavailable, match="environment configuration"):
            find_server(settings)

    def test_the_named_binary_comes_before_the_path(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        named, on_path = program(tmp_path / "mine"), program(tmp_path / "temporal")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_server(settings).where == str(on_path)
        monkeypatch.setenv("TEMPORAL_CLI", str(named))
        assert find_server(settings).where == str(named)

    def test_a_named_binary_that_is_none_is_an_error(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("TEMPORAL_CLI", str(tmp_path / "missing"))
        with pytest.raises(Unavailable, match="TEMPORAL_CLI names"):
            find_server(settings)

    def test_the_package_serves_when_nothing_is_on_the_path(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        found = find_server(settings)
        assert found.kind == "package"
        assert os.access(found.where, os.X_OK)

    def test_the_download_is_last(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(server, "_PACKAGE", "no-such-package-of-cairn")
        assert find_server(settings).kind == "download"


async def test_it_answers_and_has_the_search_attributes(temporal_server: DevServer) -> None:
    client = await Client.connect(temporal_server.address)
    listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    assert set(server.SEARCH_ATTRIBUTES) <= set(listed.custom_attributes)
    info = await client.workflow_service.get_cluster_info(GetClusterInfoRequest())
    assert info.server_version


async def test_the_attributes_are_registered_in_a_namespace_that_lacks_them(temporal_server: DevServer) -> None:
    client = await Client.connect(temporal_server.address, namespace="other")
    request = RegisterNamespaceRequest(namespace="other")
    request.workflow_execution_retention_period.FromSeconds(86400)
    await client.workflow_service.register_namespace(request)
    deadline = time.monotonic() + 30
    while True:  # the server sees a new namespace after some seconds
        try:
            await register_search_attributes(client)
            break
        except Unavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    await register_search_attributes(client)
    listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="other"))
    assert set(server.SEARCH_ATTRIBUTES) <= set(listed.custom_attributes)
    await client.operator_service.delete_namespace(DeleteNamespaceRequest(namespace="other"))


async def test_it_keeps_its_data_and_leaves_no_process(settings: Settings) -> None:
    for _ in range(2):  # the second time with the attributes in the database already
        running = await start_dev_server(settings, find_server(settings), log=settings.home.parent / "log")
        assert running.pid
        process = psutil.Process(running.pid)
        await running.stop()
        assert not process.is_running()
    with contextlib.closing(sqlite3.connect(settings.home / "temporal.db")) as kept:
        assert kept.execute("SELECT count(*) FROM namespaces").fetchone()[0] > 0
        assert kept.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("setting", ["CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT"])
async def test_a_taken_port_is_named(settings: Settings, setting: str) -> None:
    port = settings.temporal_port if setting == "CAIRN_TEMPORAL_PORT" else settings.temporal_ui_port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Unavailable, match=f"{port}.*{setting}"):
        await start_dev_server(settings, find_server(settings))


async def test_a_binary_that_ends_at_once_is_told_with_its_last_words(settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "temporal"
    broken.write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(Unavailable, match=r"status 3.(?s:.)*the disk is full"):
        await start_dev_server(settings, ServerSource("binary", str(broken), ""), log=tmp_path / "log")


async def test_a_failed_download_says_what_was_tried(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nowhere:
        closed = nowhere.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed}")
    with pytest.raises(Unavailable, match=r"TEMPORAL_CLI(?s:.)*download failed(?s:.)*Set TEMPORAL_ADDRESS"):
        await start_dev_server(settings, ServerSource("download", str(tmp_path / "cli"), ""))
