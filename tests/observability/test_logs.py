"""Log lines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from cairn.observability import bound, configure_logging, get_logger
from cairn.settings import Settings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_the_libraries_carry_the_ids_of_the_request() -> None:
    stream = io.StringIO()
    configure_logging(Settings(), "api", stream)
    with bound(request_id="r1", execution_id="e1", tenant="t1"):
        get_logger("cairn.here").warning("late", seconds=3)
        logging.getLogger("a.library").error("broken %s", "pipe")
    get_logger("cairn.here").info("after")
    ours, theirs, after = lines(stream)
    ids = {"request_id": "r1", "execution_id": "e1", "tenant": "t1", "process": "api"}
    assert ours.items() >= {**ids, "event": "late", "seconds": 3, "level": "warning", "logger": "cairn.here"}.items()
    assert theirs.items() >= {**ids, "event": "broken pipe", "level": "error"}.items()
    assert "request_id" not in after


def test_an_exception_is_one_line() -> None:
    stream = io.StringIO()
    configure_logging(Settings(), "worker", stream)
    try:
        raise ValueError("no\nway")
    except ValueError:
        get_logger("cairn").exception("failed")
    (line,) = lines(stream)
    assert "ValueError: no\nway" in str(line["exception"])


def test_the_level_is_a_setting() -> None:
    stream = io.StringIO()
    configure_logging(Settings(log_level="error"), "api", stream)
    get_logger("cairn").warning("hidden")
    assert stream.getvalue() == ""


def test_console_text_has_no_colours_off_a_terminal() -> None:
    stream = io.StringIO()
    configure_logging(Settings(log_format="console"), "api", stream)
    get_logger("cairn").info("hello", n=1)
    assert "hello" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_console_tracebacks_hold_no_local_variables() -> None:
    stream = io.StringIO()
    configure_logging(Settings(log_format="console"), "api", stream)
    password = "hunter" + "2"
    try:
        raise ValueError(len(password))
    except ValueError:
        get_logger("cairn").exception("failed")
    assert "ValueError: 7" in stream.getvalue()
    assert password not in stream.getvalue()
