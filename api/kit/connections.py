"""Connections whose clients take nothing any more."""

from __future__ import annotations

import socket

UNSENT = 128 * 1024
"""Bytes that the system takes of a connection before it can send them. What a client has not taken waits here, where
events are made one by one, and not with the system, which would take megabytes for each."""


def give_up_after(listening: socket.socket, seconds: int) -> None:
    """Have the system close each connection whose client takes nothing of what it is sent for so long.

    Nothing above it can: what has been handed over waits for the client, in the process and in the kernel. Where the
    system cannot do it (any other than Linux), only event streams end.
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if (option := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, UNSENT)
    if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, seconds * 1000)
