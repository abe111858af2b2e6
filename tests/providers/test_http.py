from __future__ import annotations

import httpx2
import pytest
from servers.listen import serve_raw
from servers.names import resolve_to

from cairn.providers.http import AddressRefused, is_public, open_client

TIMEOUT = httpx2.Timeout(5)
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("10.0.0.1", False),
        ("172.16.3.4", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("100.100.100.200", False),
        ("192.0.0.192", False),
        ("192.0.0.8", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("192.0.2.1", False),
        ("::1", False),
        ("::", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
        ("64:ff9b:1::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:db8::1", False),
        ("2606:4700::5efe:7f00:1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("fec0::1", False),
        ("3fff::1", False),
        ("64:ff9b::192.0.0.192", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_name_of_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["127.0.0.1", "10.0.0.1"])
    async with serve_raw(REPLY) as url, open_client(allow_private=False, timeout=TIMEOUT) as client:
        with pytest.raises(AddressRefused, match=r"'rebind.test' is at 127.0.0.1, 10.0.0.1"):
            await client.get(f"http://rebind.test:{url.rpartition(':')[2]}/")


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer of the name server is never asked for."""
    asked = resolve_to(monkeypatch, ["127.0.0.1"], ["192.0.2.1"])
    monkeypatch.setattr("cairn.providers.http.is_public", lambda address: address == "127.0.0.1")
    async with serve_raw(REPLY) as url, open_client(allow_private=False, timeout=TIMEOUT) as client:
        response = await client.get(f"http://rebind.test:{url.rpartition(':')[2]}/x")
    assert response.text == "hi"
    assert response.request.url.host == "rebind.test"
    assert response.request.headers["host"].startswith("rebind.test:")
    assert len(asked) == 1


async def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr("cairn.providers.http.is_public", lambda address: True)
    async with serve_raw(REPLY) as url, open_client(allow_private=False, timeout=TIMEOUT) as client:
        assert (await client.get(f"http://rebind.test:{url.rpartition(':')[2]}/")).text == "hi"


async def test_every_hop_of_a_redirect_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["127.0.0.1"])
    monkeypatch.setattr("cairn.providers.http.is_public", lambda address: address == "127.0.0.1")
    reply = b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n"
    async with serve_raw(reply) as url, open_client(allow_private=False, timeout=TIMEOUT) as client:
        with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
            await client.get(f"http://rebind.test:{url.rpartition(':')[2]}/", follow_redirects=True)


async def test_proxies_of_the_environment_are_not_used_for_public_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve_raw(REPLY) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        async with open_client(allow_private=False, timeout=TIMEOUT) as client:
            with pytest.raises(AddressRefused):
                await client.get("http://127.0.0.1:9/")
