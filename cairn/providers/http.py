"""HTTP to hosts that graph authors name: only to public addresses, unless the installation allows others."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import httpx2

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
# Azure's platform address is the one metadata service at a public address.
_METADATA = frozenset({ipaddress.IPv4Address("168.63.129.16")})
# What IANA's registries have as special, and Python only since a later patch or not at all: protocol assignments, with
# Oracle's metadata service at 192.0.0.192; documentation; what networks had for themselves before fc00::/7.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20", "fec0::/10")))

_tls = cache(ssl.create_default_context)


class AddressRefused(Exception):
    """A host has no address that may be connected to."""


def open_client(*, allow_private: bool, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """Return a client that does not follow redirects; the caller closes it.

    Args:
        allow_private: connect to any address, and through the proxies that the environment names. Otherwise only to
            public addresses and directly, since a proxy would resolve the host by itself.
        timeout: of each step of a request.
    """
    if allow_private:
        return httpx2.AsyncClient(verify=_tls(), timeout=timeout)
    return httpx2.AsyncClient(transport=PublicTransport(verify=_tls()), timeout=timeout, trust_env=False)


class PublicTransport(httpx2.AsyncHTTPTransport):
    """Connects to the very address that was checked, so that a name cannot change its meaning in between.

    Every request passes here, redirects that a client follows too.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first public address of its host that accepts a connection.

        Raises:
            AddressRefused: the host resolves to private, loopback, link-local or other special addresses alone.
            httpx2.ConnectError: the host does not resolve, or no address accepts a connection.
        """
        host, url = request.url.host, request.url
        addresses = await _public_addresses(host)
        # TLS still asks for, and verifies, the name; the Host header was set when the request was made.
        request.extensions = {**request.extensions, "sni_hostname": host}
        try:
            for address in addresses[:-1]:
                request.url = url.copy_with(host=address)
                try:
                    return await super().handle_async_request(request)
                except (httpx2.ConnectError, httpx2.ConnectTimeout):
                    continue
            request.url = url.copy_with(host=addresses[-1])
            return await super().handle_async_request(request)
        finally:
            request.url = url


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public Internet, also behind IPv6 forms that carry an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64 or ip.packed[8:12] in _ISATAP:
            embedded = ipaddress.IPv4Address(ip.packed[12:])
        if embedded is not None:
            return is_public(str(embedded))
    if ip in _METADATA or any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def refuse_private(host: str) -> None:
    """Refuse a host before it is kept; what it resolves to is checked anew at each connection.

    Raises:
        AddressRefused: it resolves to private or other special addresses alone. One that does not resolve passes.
    """
    with contextlib.suppress(httpx2.ConnectError):
        await _public_addresses(host)


async def _public_addresses(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(f"host {host!r} does not resolve: {error}") from error
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    public = [address for address in addresses if is_public(address)]
    if not public:
        raise AddressRefused(
            f"Host {host!r} is at {', '.join(addresses)}, which is not a public address; "
            "an installation allows it by CAIRN_HTTP_ALLOW_PRIVATE=true"
        )
    return public


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, None when there is none that can be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
