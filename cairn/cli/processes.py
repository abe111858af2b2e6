"""``cairn worker`` and ``cairn api``: the two programs that serve, each in the foreground."""

from __future__ import annotations

import contextlib

from cairn.cli.findings import mcp, require_usable
from cairn.cli.log_format import choose_format
from cairn.cli.output import AsJson
from cairn.orderly import exit_on_sigterm

STREAMS_END_WITHIN = 5
"""Seconds that open replies have when the API is asked to stop."""

_NOT_STARTED = 3
"""What the API exits with when it cannot start, as uvicorn's own command does."""


def worker(as_json: AsJson = False) -> None:
    """Run a worker: it drives executions and does their activities."""
    from cairn.settings import get_settings

    choose_format(as_json)
    exit_on_sigterm()
    require_usable(get_settings())
    import worker as program  # takes seconds

    raise SystemExit(program.main())


def api(as_json: AsJson = False) -> None:
    """Run the HTTP API."""
    from cairn.ports import require_free
    from cairn.settings import get_settings

    choose_format(as_json)
    exit_on_sigterm()
    settings = get_settings()
    require_usable(settings, mcp)
    require_free(settings.api_host, settings.api_port, "CAIRN_API_PORT")
    import uvicorn

    from api.kit.connections import give_up_after
    from cairn.observability import configure_logging, configure_tracing

    configure_logging(settings, "api")
    configure_tracing(settings, "api")
    config = uvicorn.Config(
        "api.app:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STREAMS_END_WITHIN,
    )
    server, listening = uvicorn.Server(config), config.bind_socket()
    listening.set_inheritable(False)
    give_up_after(listening, settings.stream_patience)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    if not server.started:
        raise SystemExit(_NOT_STARTED)
