from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from calls import environment, fail, node_call, run
from installation import until
from servers import mcp_server
from servers.mcp_server import TOKEN, serve_mcp

from activities.mcp import McpActivities
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.settings import Settings

PROGRAM = str(Path(mcp_server.__file__))
Activity = Callable[[NodeCall], Awaitable[NodeResult]]


@pytest.fixture(scope="module")
async def url() -> AsyncGenerator[str]:
    async with serve_mcp() as made:
        yield made


@pytest.fixture
def servers(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's file."""
    monkeypatch.setenv("TOKEN_OF_TESTS", TOKEN)
    monkeypatch.setenv("CAIRN_SECRET", "not for servers")
    found = {
        "stdio": {"command": sys.executable, "args": [PROGRAM], "env": {"GIVEN": "${TOKEN_OF_TESTS}"}},
        "http": {"url": url, "headers": {"Authorization": "${TOKEN_OF_TESTS}"}},
        "stranger": {"type": "streamable-http", "url": url},
        "nobody": {"url": "http://127.0.0.1:9/mcp"},
        "missing": {"command": "no-such-program"},
        "silent": {"command": sys.executable, "args": ["-c", "pass"]},
        "unset": {"url": url, "headers": {"X": "${NOT_SET_ANYWHERE}"}},
        "elsewhere": {"url": url.replace("/mcp", "/other"), "headers": {"Authorization": TOKEN}},
    }
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": found}))
    return file


@pytest.fixture
def activity(servers: Path) -> Activity:
    return McpActivities(Settings(mcp_servers=servers)).call_mcp


def call(server: str, tool: str, *, timeout: float | None = None, **arguments: Any) -> NodeCall:
    return node_call(timeout=timeout, server=server, tool=tool, arguments=arguments)


both = pytest.mark.parametrize("server", ["stdio", "http"])


@both
async def test_a_structured_result_is_the_value(activity: Activity, server: str) -> None:
    assert (await run(activity, call(server, "add", a=2, b=3))).value == {"sum": 5}


async def test_a_text_is_the_value(activity: Activity) -> None:
    assert (await run(activity, call("http", "greet", name="Zoë"))).value == "Hello Zoë"


async def test_other_content_is_a_list_of_blocks(activity: Activity) -> None:
    text, picture = (await run(activity, call("http", "picture"))).value
    assert text == {"type": "text", "text": "A picture:"}
    assert (picture["type"], picture["mimeType"]) == ("image", "image/png")


async def test_the_idempotency_key_goes_along(activity: Activity) -> None:
    assert (await run(activity, call("http", "key"))).value == "e1/n1/1/l1"


@both
async def test_a_tool_that_fails_may_be_tried_again(activity: Activity, server: str) -> None:
    error = await fail(activity, call(server, "broken"))
    assert (error.type, error.non_retryable) == ("tool_error", False)
    assert "the printer is on fire" in error.message


@both
async def test_a_tool_that_there_is_none_of(activity: Activity, server: str) -> None:
    error = await fail(activity, call(server, "nope"))
    assert (error.type, error.non_retryable) == ("unknown_tool", True)
    assert "has no tool 'nope'" in error.message and "greet" in error.message


async def test_a_result_that_is_too_large(activity: Activity) -> None:
    error = await fail(activity, call("http", "large", size=11 * 1024 * 1024))
    assert (error.type, error.non_retryable) == ("invalid_reply", True)


async def test_a_server_that_does_not_answer_is_a_timeout(activity: Activity) -> None:
    error = await fail(activity, call("http", "hang", timeout=0.5, marker=""))
    assert (error.type, error.non_retryable) == ("timeout", False)


async def test_a_program_sees_what_it_was_given_and_not_the_workers_secrets(activity: Activity) -> None:
    seen = (await run(activity, call("stdio", "variables"))).value
    assert seen["GIVEN"] == TOKEN
    assert "CAIRN_SECRET" not in seen


@pytest.mark.parametrize(
    ("server", "code", "final"),
    [
        ("nowhere", "unknown_server", True),
        ("stranger", "mcp_unauthorized", True),
        ("nobody", "connection_error", False),
        ("missing", "mcp_config", True),
        ("silent", "connection_error", False),
        ("unset", "mcp_config", True),
        ("elsewhere", "mcp_error", True),
    ],
)
async def test_servers_that_cannot_be_used(activity: Activity, server: str, code: str, final: bool) -> None:
    error = await fail(activity, call(server, "add", a=1, b=2))
    assert (error.type, error.non_retryable) == (code, final), error.message


async def test_a_server_that_dies_in_the_middle(activity: Activity) -> None:
    error = await fail(activity, call("stdio", "die"))
    assert (error.type, error.non_retryable) == ("connection_error", False)


@pytest.mark.parametrize("content", ["{", "[]", '{"mcpServers": {"a": {}}}', '{"mcpServers": {"a": {"type": "sse"}}}'])
async def test_a_file_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(content)
    for path in (file, tmp_path / "none.json"):
        error = await fail(McpActivities(Settings(mcp_servers=path)).call_mcp, call("a", "add"))
        assert (error.type, error.non_retryable) == ("mcp_config", True)
        assert str(path) in error.message


async def test_without_a_file_there_are_no_servers() -> None:
    assert (await fail(McpActivities(Settings()).call_mcp, call("a", "add"))).type == "unknown_server"


async def test_a_call_of_another_run_calls_nothing(activity: Activity) -> None:
    assert (await fail(activity, node_call(server="stdio", tool="add", run_id="other"))).type == "parked"


def alive(marker: Path) -> list[psutil.Process]:
    """Return which of the processes of the tool ``hang`` live."""
    found: list[psutil.Process] = []
    for pid in marker.read_text().split():
        try:
            process = psutil.Process(int(pid))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def test_a_cancelled_call_leaves_no_process(activity: Activity, tmp_path: Path) -> None:
    marker = tmp_path / "started"
    task = asyncio.create_task(environment().run(activity, call("stdio", "hang", marker=str(marker))))
    await until(lambda: marker.exists() and marker.read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(marker))


async def test_a_killed_worker_leaves_no_process(tmp_path: Path) -> None:
    marker, file = tmp_path / "started", tmp_path / "mcp.json"
    stubborn = {"command": sys.executable, "args": [PROGRAM, "stubborn"]}
    file.write_text(json.dumps({"mcpServers": {"stdio": stubborn}}))
    worker = textwrap.dedent(f"""
        import asyncio
        from cairn.providers.mcp import call_tool, find_server
        from cairn.settings import Settings
        from pathlib import Path
        server = find_server(Settings(mcp_servers=Path({str(file)!r})), "stdio")
        arguments = {{"marker": {str(marker)!r}}}
        asyncio.run(call_tool(server, "hang", arguments, seconds=100, idempotency_key="k"))
    """)
    process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", worker])
    await until(lambda: marker.exists() and marker.read_text())
    assert len(alive(marker)) == 2
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    await until(lambda: not alive(marker))
