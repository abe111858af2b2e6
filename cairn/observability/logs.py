"""Logs: one JSON object a line (or coloured text), from our own code and from the libraries' standard logging alike."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from cairn.observability.redaction import Redaction
from cairn.settings import Settings

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; its lines carry the ids that ``bound`` has put on the context."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bound(**ids: str) -> AbstractContextManager[None]:
    """Put ids (``request_id``, ``execution_id``, ``tenant``) on every log line of the current task, for a while."""
    return structlog.contextvars.bound_contextvars(**ids)


def configure_logging(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Set up the logging of this process.

    Args:
        settings: level and format.
        process: name of the process (``api``, ``worker``), on every line.
        stream: where the lines go; standard error by default.
    """

    def name_process(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=["temporal_workflow", "temporal_activity"]),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
    ]
    if settings.otlp_endpoint:
        shared.append(_add_trace)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    redact = Redaction(settings)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings, handler),
                lambda _logger, _method, line: redact(str(line)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # aiosqlite tells every value that is written.
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "uvicorn.access", "aiosqlite"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _renderers(settings: Settings, handler: logging.StreamHandler[TextIO]) -> list[Processor]:
    if settings.log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    # Plain tracebacks: the rich ones print local variables, which may be secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=handler.stream.isatty(), exception_formatter=plain)]


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
