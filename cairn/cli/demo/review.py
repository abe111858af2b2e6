"""A service outside of Cairn that the demo's graph asks: out of order at first, until it is repaired."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_FEWEST_WORDS = 15


class ReviewService:
    """Reviews reports over HTTP on the loopback interface.

    Attributes:
        url: takes ``{topic, report}``, answers ``{approved, remarks}``; 503 while it is out of order.
        calls: idempotency key and answered status of each request, oldest first.
    """

    def __init__(self) -> None:
        """Listen on a free port, out of order."""
        self.calls: list[tuple[str, int]] = []
        self._repaired = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="review", daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/review"

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def repair(self) -> None:
        """From now on it answers."""
        self._repaired.set()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one request: status and body."""
        status, reply = self._review(body) if self._repaired.is_set() else (503, {"error": "out of order"})
        self.calls.append((key, status))
        return status, reply

    def _review(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            asked = json.loads(body)
            topic, report = str(asked["topic"]), str(asked["report"]).strip()
        except (ValueError, KeyError, TypeError):
            return 400, {"error": "send {topic, report}"}
        words = len(report.split())
        if words < _FEWEST_WORDS:
            return 200, {"approved": False, "remarks": f"{words} words say too little about {topic}."}
        return 200, {"approved": True, "remarks": f"{words} words on {topic}: good to read."}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, reply = service.answer(self.headers.get("idempotency-key", ""), body)
                content = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
