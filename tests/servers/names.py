"""A name server that gives one name another address each time, as a hostile one can."""

from __future__ import annotations

import socket
from typing import Any

import pytest


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Give `rebind.test` one list of addresses after the other, the last one from then on; return who has asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("rebind.test", b"rebind.test"):  # anyio, which connects, asks for bytes
            return real(host, port, *args, **kwargs)
        asked.append("rebind.test")
        addresses = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
