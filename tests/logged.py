"""What API and worker log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from installation import Cairn

from cairn.observability import configure_logging


@pytest.fixture
def log(idle_cairn: Cairn) -> Iterator[io.StringIO]:
    """The log lines of this process, as JSON."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(idle_cairn.settings, "api", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
