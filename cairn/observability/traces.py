"""OpenTelemetry traces across API, workflow and activity; off unless ``CAIRN_OTLP_ENDPOINT`` is set.

FastAPI makes the spans of requests by itself as soon as there is a tracer provider; Temporal's interceptor the rest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cairn.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from temporalio.contrib.opentelemetry import TracingInterceptor

_PATH = "/v1/traces"


def configure_tracing(settings: Settings, process: str) -> None:
    """Send this process's spans to the collector; what is still queued is sent when the process ends.

    Args:
        settings: ``otlp_endpoint``, with or without the path ``/v1/traces``; None: does nothing.
        process: name of the process; the service's name is ``cairn-{process}``.
    """
    if settings.otlp_endpoint:
        from opentelemetry import trace

        trace.set_tracer_provider(_provider(settings.otlp_endpoint, process))


@lru_cache
def _provider(endpoint: str, process: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    url = endpoint if endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: f"cairn-{process}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider


def temporal_interceptors(settings: Settings) -> list[TracingInterceptor]:
    """Return the interceptors of a Temporal client; a worker takes them over from its client."""
    if not settings.otlp_endpoint:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return [TracingInterceptor()]
