"""TCP ports of this machine."""

from __future__ import annotations

import functools
import itertools
import random
import socket
from collections.abc import Iterator

from cairn.errors import Unavailable

_PORTS = range(20_000, 32_768)
"""Below those that systems give to outgoing connections, which could take one while its server is away."""


def is_free(host: str, port: int) -> bool:
    """Say whether a server could listen on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(host: str, port: int, setting: str) -> None:
    """Refuse a port that something else listens on.

    Args:
        host: address to listen on.
        port: the port.
        setting: environment variable that sets the port.

    Raises:
        Unavailable: the port is taken; the message names it and the setting.
    """
    if not is_free(host, port):
        raise Unavailable(f"Port {port} on {host} is taken. Stop what listens there, or set {setting} to a free port.")


def find_free(host: str = "127.0.0.1") -> int:
    """Return a port that is free at this moment, and that this process has not been given before."""
    return next(port for port in _candidates() if is_free(host, port))


@functools.cache
def _candidates() -> Iterator[int]:
    """Return ports in an order of this process's own, so that others are unlikely to take the same."""
    return itertools.cycle(random.Random().sample(_PORTS, len(_PORTS)))
