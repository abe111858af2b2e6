"""The means of a storm: a link that is cut, a clock that is stepped, a world outside that errs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from chaos import clocks
from chaos.faults import Fault, Storm
from chaos.links import Link
from chaos.outside import TOOL, Outside
from chaos.records import SAID


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_a_link_that_is_cut_holds_everything_back() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    link = Link("a - b", server.sockets[0].getsockname()[1])
    await link.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"1")
    assert await reader.read(1) == b"1"
    link.cut()
    writer.write(b"2")
    answer = asyncio.create_task(reader.read(1))
    late, to_late = await asyncio.open_connection("127.0.0.1", link.port)
    to_late.write(b"3")
    answer_late = asyncio.create_task(late.read(1))
    assert not (await asyncio.wait([answer, answer_late], timeout=0.1))[0]
    link.mend()
    assert (await answer, await answer_late) == (b"2", b"3")
    link.cut()
    link.mend(lost=True)
    with pytest.raises(ConnectionResetError):
        assert await reader.read(1) == b""
        raise ConnectionResetError
    writer.close()
    to_late.close()
    await link.close()
    server.close()
    await server.wait_closed()


def test_a_clock_is_stepped_and_waits_are_not(tmp_path: Path) -> None:
    library = clocks.compiled(tmp_path)
    if library is None:
        pytest.skip("there is no C compiler")
    clock = clocks.Clock(tmp_path / "clock")
    program = "import sys, time\nfor _ in sys.stdin: time.sleep(0.01); print(time.time(), time.monotonic(), flush=True)"
    variables = {**os.environ, **clock.environment, "LD_PRELOAD": str(library)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], env=variables, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        for step in (0.0, 3600.25, -3600.25, 0.0):
            clock.step(step)
            child.stdin.write("\n")
            child.stdin.flush()
            wall, monotonic = map(float, child.stdout.readline().split())
            assert wall - time.time() == pytest.approx(step, abs=60)
            assert monotonic == pytest.approx(time.monotonic(), abs=60)
        child.stdin.close()


async def test_the_world_outside_errs_by_its_seed_until_it_is_told_to_stop() -> None:
    outside = Outside(seed=3)
    await outside.open()
    try:
        async with httpx2.AsyncClient() as http:
            told = {"id": "q1", "execution_id": "e1", "prompt": "1"}
            outside.rages = False
            while not outside.done:
                outside.rages = True
                with contextlib.suppress(httpx2.HTTPError):
                    await http.post(outside.told_url, json=told)
                outside.rages = False
            assert (await http.post(outside.told_url, json=told)).status_code == 204
            assert outside.deliveries[-1].taken
            said = await http.post(f"{outside.model_url}/chat/completions", json={"model": "m"})
            assert said.json()["choices"][0]["message"]["content"] == SAID
            for content, called in (("one-1", [TOOL]), ("one-2", [])):
                body = {"model": "m", "tools": [{}], "messages": [{"role": "user", "content": content}]}
                said = await http.post(f"{outside.model_url}/chat/completions", json=body)
                calls = said.json()["choices"][0]["message"]["tool_calls"]
                assert [call["function"]["name"] for call in calls or ()] == called
    finally:
        await outside.close()


async def test_what_goes_wrong_ends_with_the_storm() -> None:
    async def up() -> None:
        assert not hurt.is_set()

    site = SimpleNamespace(programs=[], links=[], clocks={}, postgresql=None, outside=Outside(seed=1), up=up)
    storm = Storm(site, seed=1, seconds=0, settle=7200)
    hurt, struck = asyncio.Event(), asyncio.Event()

    def strike() -> None:
        hurt.set()
        struck.set()

    storm.faults = [Fault("all", "hurt", 1.0, 1e6, strike, hurt.clear)]
    storm.enough = struck.is_set
    async with asyncio.timeout(60):
        await storm.run()
    assert storm.done["all", "hurt"] == 1
