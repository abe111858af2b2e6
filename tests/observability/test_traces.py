"""One trace across API, workflow and activity, received by a real collector's protocol."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cairn.observability import temporal_interceptors
from cairn.settings import Settings
from cairn.temporal.server import DevServer

PROGRAM = """
import asyncio, sys
from datetime import timedelta
import httpx2
from fastapi import FastAPI
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from cairn.observability import configure_tracing, temporal_interceptors
from cairn.orderly import run
from cairn.settings import Settings

settings = Settings(otlp_endpoint=sys.argv[1])

@activity.defn
async def work() -> str:
    return "done"

@workflow.defn
class Flow:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(work, start_to_close_timeout=timedelta(seconds=10))

async def main() -> None:
    configure_tracing(settings, "probe")
    client = await Client.connect(sys.argv[2], interceptors=temporal_interceptors(settings))
    app = FastAPI()

    @app.post("/flows/{name}")
    async def start(name: str) -> str:
        return await client.execute_workflow(Flow.run, id=name, task_queue=sys.argv[3])

    runner = UnsandboxedWorkflowRunner()
    async with Worker(
        client, task_queue=sys.argv[3], workflows=[Flow], activities=[work], workflow_runner=runner
    ):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as http:
            assert (await http.post("/flows/" + sys.argv[3])).json() == "done"

run(lambda: asyncio.run(main()))
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Span]]]:
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/v1/traces":
                for resource in request.resource_spans:
                    spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()
    thread.join()


def test_one_trace_from_the_request_to_the_activity(
    collector: tuple[str, list[Span]], temporal_server: DevServer, task_queue: str, tmp_path: Path
) -> None:
    endpoint, spans = collector
    script = tmp_path / "program.py"
    script.write_text(dedent(PROGRAM))
    command = [sys.executable, str(script), endpoint, temporal_server.address, task_queue]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    by_name = {span.name: span for span in spans}
    assert {"POST /flows/{name}", "StartWorkflow:Flow", "RunWorkflow:Flow", "RunActivity:work"} <= set(by_name)
    assert len({span.trace_id for span in spans}) == 1
    assert by_name["StartWorkflow:Flow"].parent_span_id == by_name["fastapi.endpoint"].span_id


def test_off_is_nothing() -> None:
    assert temporal_interceptors(Settings()) == []


def test_off_imports_nothing() -> None:
    script = (
        "import sys\n"
        "from cairn.observability import configure_tracing, measure_http, temporal_interceptors\n"
        "from cairn.settings import Settings\n"
        "configure_tracing(Settings(), 'x'); temporal_interceptors(Settings())\n"
        "measure_http(None, Settings())\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "heavy = loaded & {'opentelemetry', 'prometheus_client', 'temporalio'}\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
