"""Prometheus metrics: of the API by ``CAIRN_METRICS``, of the worker by ``CAIRN_METRICS_PORT``; off unless set."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cairn.ports import require_free
from cairn.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from temporalio.runtime import Runtime

_PATH = "/metrics"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def measure_http(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return the application with its requests measured and ``/metrics`` served; the application itself when off."""
    return _MeasuredApp(app) if settings.metrics else app


class _MeasuredApp:
    """Counts and times requests by method, route template and status.

    The route template is what the router leaves in the request's scope, so an application in between must hand the
    scope on as it is. Raw paths are no labels: they would be without bound.
    """

    def __init__(self, app: ASGIApp) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self._app = app
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        labels = ("method", "route")
        self._requests = Counter(
            "cairn_http_requests", "Requests that were answered.", (*labels, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "cairn_http_request_duration_seconds", "Time to the end of the reply.", labels, registry=self._registry
        )
        self._open = Gauge("cairn_http_requests_open", "Requests in progress.", registry=self._registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == _PATH:
            await self._render(scope, receive, send)
        else:
            await self._measure(scope, receive, send)

    async def _measure(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500  # when the application fails without a reply

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begin = time.perf_counter()
        self._open.inc()
        try:
            await self._app(scope, receive, noted)
        finally:
            self._open.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = _route(scope)
            self._requests.labels(method, route, status).inc()
            self._seconds.labels(method, route).observe(time.perf_counter() - begin)

    async def _render(self, scope: Scope, receive: Receive, send: Send) -> None:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
        from starlette.responses import Response

        response = Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})
        await response(scope, receive, send)


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", None) or "unmatched"


def temporal_runtime(settings: Settings) -> Runtime | None:
    """Return a runtime for the worker's client that serves the SDK's metrics; None (the default one) when off.

    Raises:
        Unavailable: the port is taken.
    """
    if settings.metrics_port is None:
        return None
    from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

    require_free(settings.metrics_host, settings.metrics_port, "CAIRN_METRICS_PORT")
    address = f"{settings.metrics_host}:{settings.metrics_port}"
    metrics = PrometheusConfig(address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True)
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))
