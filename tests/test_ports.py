"""Ports that are found for servers."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from cairn import ports
from cairn.ports import find_free


def given_to_connections() -> set[int]:
    """Return ports that the system gives to whoever names none, as to outgoing connections."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(200)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {probe.getsockname()[1] for probe in probes}


def test_a_port_that_was_found_is_no_other_servers_and_no_connections() -> None:
    found = [find_free() for _ in range(200)]
    assert len(set(found)) == 200
    assert max(found) < min(given_to_connections()), "a connection could take it while its server is away"


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", find_free()))
        taken, free = server.getsockname()[1], find_free()
        monkeypatch.setattr(ports, "_candidates", lambda: iter([taken, free]))
        assert not ports.is_free("127.0.0.1", taken) and find_free() == free
