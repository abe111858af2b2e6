"""What the program of an MCP server writes to its standard error is a line of the log, without the server's secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import psutil
import pytest
import structlog

from cairn.observability import configure_logging
from cairn.observability.redaction import HIDDEN
from cairn.providers.mcp import McpFailure, StdioServer, call_tool
from cairn.settings import Settings

TOKEN, QUOTED = "token-of-a-program-1", 'pass"word\\of-it'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----"
SAYS = """
import json, os, sys
env = {name: os.environ[name] for name in ("API_TOKEN", "QUOTED", "SIGNING_KEY", "LOG_LEVEL")}
sys.stderr.write(f"begin {env['API_TOKEN']} at {env['LOG_LEVEL']}\\n{json.dumps(env)}\\n\\n{env['SIGNING_KEY']}\\n")
sys.stderr.write(env["API_TOKEN"] + 70_000 * "x" + env["API_TOKEN"] + "\\n" + "the end: " + env["API_TOKEN"])
"""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure_logging(Settings(), "worker", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(log: io.StringIO) -> list[str]:
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    return [each["line"] for each in told if each["logger"] == "cairn.mcp" and each["program"] == sys.executable]


async def call(program: str) -> None:
    env = {"API_TOKEN": TOKEN, "QUOTED": QUOTED, "SIGNING_KEY": KEY, "LOG_LEVEL": "debug"}
    server = StdioServer(command=sys.executable, args=["-c", program], env=env)
    with pytest.raises(McpFailure):
        await call_tool(server, "x", {}, seconds=20, idempotency_key="k")


async def test_its_lines_are_logged_without_its_secrets(log: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    await call(SAYS)
    names = "API_TOKEN", "QUOTED", "SIGNING_KEY"
    shown = json.dumps({**dict.fromkeys(names, HIDDEN), "LOG_LEVEL": "debug"}, ensure_ascii=False)
    assert lines(log) == [
        f"begin {HIDDEN} at debug",
        shown,
        *[HIDDEN] * 3,
        "(more than 65536 bytes)",
        f"the end: {HIDDEN}",
    ]
    assert capfd.readouterr().err == "", "nothing goes beside the log"


async def test_whoever_holds_on_to_it_keeps_no_call(log: io.StringIO) -> None:
    """A program in a session of its own survives the server, and may have its standard error."""
    away = "start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL"
    started = f"import subprocess, sys; subprocess.Popen(['sleep', '5'], {away})"
    before = psutil.Process().num_fds()
    await call(f"{started}; sys.stderr.write('gone')")
    assert lines(log) == ["gone"] and psutil.Process().num_fds() == before
