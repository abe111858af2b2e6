"""Logs, traces and metrics. What is off costs nothing: no wrapper, no import."""

from cairn.observability.logs import bound, configure_logging, get_logger
from cairn.observability.metrics import measure_http, temporal_runtime
from cairn.observability.traces import configure_tracing, temporal_interceptors

__all__ = [
    "bound",
    "configure_logging",
    "configure_tracing",
    "get_logger",
    "measure_http",
    "temporal_interceptors",
    "temporal_runtime",
]
