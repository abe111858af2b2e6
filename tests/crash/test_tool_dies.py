"""Worker and API are killed (-9) while a tool of an agent runs: the call is made again with its key, and ends once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from agentflow_agents import make
from crash.site import SOON, Site, new_key
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chaos.programs import until

pytestmark = pytest.mark.timeout(240)


class Shop:
    """A server that answers when it may, and remembers the keys of what it was asked."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.gate = asyncio.Event()
        self.url = ""

    async def pay(self, request: Request) -> JSONResponse:
        self.keys.append(request.headers["idempotency-key"])
        await self.gate.wait()
        return JSONResponse({"paid": True})


@pytest.fixture
async def shop(site: Site) -> AsyncIterator[Shop]:
    """A shop that the site's worker may reach."""
    made, before = Shop(), site.worker.environment
    async with serve(Starlette(routes=[Route("/pay", made.pay, methods=["POST"])])) as made.url:
        site.worker.environment = {**before, "CAIRN_HTTP_ALLOW_PRIVATE": "true"}
        await site.worker.stop()
        site.worker.start()
        yield made
        made.gate.set()
        await site.worker.stop()
        site.worker.environment = before


async def paying(site: Site, shop: Shop) -> str:
    """Return the path of a tool that pays."""
    agent = await make(site.caller)
    tool = {
        "name": f"pay_{new_key()[:8].replace('-', '_').lower()}",
        "kind": "http",
        "args_schema": {"type": "object"},
        "http": {"method": "POST", "url": f"{shop.url}/pay"},
        "execution_timeout": 120,
    }
    made = await site.post(f"/agent/{agent['id']}/tools", tool)
    assert made.status_code == 201, made.text
    return f"/agent/{agent['id']}/tools/{tool['name']}/run"


async def test_a_call_outlives_its_worker(site: Site, shop: Shop) -> None:
    path = await paying(site, shop)
    running = asyncio.create_task(site.post(path, {"arguments": {}}))
    await until(lambda: shop.keys, SOON, "the call")
    await site.worker.kill()
    shop.gate.set()
    await site.restart(site.worker)
    reply = await running
    assert reply.status_code == 200, reply.text
    assert (reply.json()["status"], reply.json()["result"]) == ("completed", {"status": 200, "body": {"paid": True}})
    assert len(shop.keys) == 2 and len(set(shop.keys)) == 1


async def test_a_call_outlives_the_api_that_waits_for_it(site: Site, shop: Shop) -> None:
    path, key = await paying(site, shop), new_key()
    running = asyncio.create_task(site.post(path, {"arguments": {}}, key))
    await until(lambda: shop.keys, SOON, "the call")
    await site.api.kill()
    await asyncio.gather(running, return_exceptions=True)
    await site.restart(site.api)
    shop.gate.set()
    reply = await site.post_again(path, {"arguments": {}}, key)
    assert reply.status_code == 200, reply.text
    assert (reply.json()["status"], reply.json()["result"]["body"]) == ("completed", {"paid": True})
    assert len(shop.keys) == 1
