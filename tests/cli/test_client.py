"""What the command line's client of the API does with replies."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cairn.cli import client as module
from cairn.cli.client import ApiClient
from cairn.errors import CairnError


class Api(HTTPServer):
    """Says that it is busy as often as told, then takes the command."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.busy, self.later, self.keys = 0, "1", list[str | None]()


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])
        busy = len(self.server.keys) <= self.server.busy
        body = json.dumps({"code": "execution_busy"} if busy else {"status": "paused"}).encode()
        self.send_response(503 if busy else 200)
        if busy and self.server.later:
            self.send_header("Retry-After", self.server.later)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def command(api: Api) -> Any:
    client = ApiClient(f"http://127.0.0.1:{api.server_port}", "key")
    try:
        return client.command("/executions/e/pause", {})
    finally:
        client.close()


def test_a_command_is_sent_again_while_the_api_is_busy(api: Api) -> None:
    api.busy = 3
    assert command(api) == {"status": "paused"}
    assert len(api.keys) == 4 and len(set(api.keys)) == 1 and api.keys[0]


@pytest.mark.parametrize("later", ["", "16"])
def test_a_command_is_not_sent_again_when_the_api_does_not_say_so_or_too_late(api: Api, later: str) -> None:
    api.busy, api.later = 1, later
    with pytest.raises(CairnError) as refused:
        command(api)
    assert refused.value.code == "execution_busy" and len(api.keys) == 1
