"""Metrics of API and worker."""

from __future__ import annotations

import socket
import subprocess
import sys

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from cairn.errors import Unavailable
from cairn.observability import measure_http, temporal_runtime
from cairn.ports import find_free
from cairn.settings import Settings


def application() -> FastAPI:
    app, router = FastAPI(), APIRouter(prefix="/things")

    @router.get("/{thing}")
    async def thing(thing: int) -> int:
        if thing == 0:
            raise RuntimeError("broken")
        return thing

    app.include_router(router)
    return app


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    app = measure_http(application(), Settings(metrics=True))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
        for path in ("/things/1", "/things/2", "/things/x", "/things/0", "/nowhere/7"):
            await client.get(path)
        await client.request("BREW", "/things/1")
        text = (await client.get("/metrics")).text
    assert 'cairn_http_requests_total{method="GET",route="/things/{thing}",status="200"} 2.0' in text
    assert 'cairn_http_requests_total{method="GET",route="/things/{thing}",status="422"} 1.0' in text
    assert 'cairn_http_requests_total{method="GET",route="/things/{thing}",status="500"} 1.0' in text
    assert 'cairn_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'method="other"' in text
    assert 'cairn_http_request_duration_seconds_count{method="GET",route="/things/{thing}"} 4.0' in text
    assert "cairn_http_requests_open 0.0" in text
    assert "/things/1" not in text and "/nowhere" not in text


def test_off_is_the_application_itself() -> None:
    app = application()
    assert measure_http(app, Settings()) is app
    assert temporal_runtime(Settings()) is None


def test_the_workers_port_serves_the_metrics_of_the_sdk() -> None:
    # In a process of its own: a runtime and its threads live as long as the process.
    port = find_free()
    script = (
        "import urllib.request\n"
        "from cairn.observability import temporal_runtime\n"
        "from cairn.orderly import exit_process\n"
        "from cairn.settings import Settings\n"
        f"runtime = temporal_runtime(Settings(metrics_port={port}))\n"
        "runtime.metric_meter.create_counter('cairn_probe').add(3)\n"
        f"print(urllib.request.urlopen('http://127.0.0.1:{port}/metrics').read().decode(), flush=True)\n"
        "exit_process(0)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "cairn_probe_total" in result.stdout


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="CAIRN_METRICS_PORT"):
        temporal_runtime(Settings(metrics_port=taken.getsockname()[1]))
