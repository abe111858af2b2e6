"""What a caller hears of our own faults, and what the log says of them."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from graphs import sequence
from installation import Cairn, until
from served import Callers, served
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from api.kit.problem import problem_of
from cairn.domain.executions import start
from cairn.domain.keys import KeyService
from cairn.errors import FieldError, InvalidInput, Unavailable


async def test_a_broken_database_shows_nothing_of_itself(idle_cairn: Cairn, log: io.StringIO) -> None:
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        async with idle_cairn.database.engine.begin() as connection:
            cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
            await connection.execute(text(f"DROP TABLE executions{cascade}"))
        reply = await caller.http.get("/api/v1/executions", headers={"X-Request-ID": "r-1"})
        await until(lambda: '"event": "request"' in log.getvalue())
        await callers.close()
    assert reply.status_code in (500, 503)
    assert reply.json()["request_id"] == "r-1"
    for secret in ("SELECT", "executions", "sqlite", "psycopg", "Traceback", ".py", str(idle_cairn.settings.home)):
        assert secret not in reply.text
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    about = [line for line in lines if line.get("request_id") == "r-1"]
    assert {line["tenant"] for line in about} == {caller.tenant}
    request = next(line for line in about if line["event"] == "request")
    assert (request["method"], request["path"], request["status"]) == ("GET", "/api/v1/executions", reply.status_code)
    failure = next(line for line in about if line["event"] != "request")
    assert failure["level"] in ("error", "warning")
    assert ("DROP" not in json.dumps(failure)) and (reply.status_code == 503 or "exception" in failure)


async def test_the_log_line_of_a_request_names_its_execution_and_no_key(idle_cairn: Cairn, log: io.StringIO) -> None:
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        await caller.http.get("/api/v1/executions/exec_5", headers={"Authorization": f"Bearer {caller.key}"})
        await until(lambda: '"event": "request"' in log.getvalue())
        await callers.close()
    assert caller.key not in log.getvalue()
    request = next(line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "request")
    assert (request["execution_id"], request["tenant"], request["status"]) == ("exec_5", caller.tenant, 404)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_reply_is_whole_where_the_use_of_the_key_cannot_be_noted(
    idle_cairn: Cairn, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = asyncio.Event()

    async def busy(*_: object) -> None:
        noted.set()
        raise Unavailable("The database is busy.", retry_after=1)

    monkeypatch.setattr(KeyService, "note_use", busy)
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        replies = [await caller.http.get("/api/v1/executions") for _ in range(2)]
        await callers.close()
    assert [reply.status_code for reply in replies] == [200, 200] and noted.is_set()
    assert '"level": "error"' not in log.getvalue()


def test_who_hangs_up_in_the_middle_of_a_request_is_no_fault_of_ours() -> None:
    assert problem_of(ClientDisconnect(), "r-1").status == 400


@pytest.mark.parametrize(
    ("error", "loc", "pointer"),
    [
        (FieldError("/query/text", "is empty"), ["body", "query", "text"], "/query/text"),
        (FieldError("/query", "is empty"), ["body", "query"], "/query"),
        (FieldError("/path", "is empty", part="query"), ["query", "path"], "/query/path"),
    ],
)
def test_a_wrong_member_of_a_body_is_no_parameter_of_the_query(error: FieldError, loc: list[str], pointer: str) -> None:
    (told,) = problem_of(InvalidInput("Wrong.", errors=[error]), "r-1").errors
    assert (told.wrong_value.loc, told.pointer) == (loc, pointer)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_request_whose_connection_is_lost_can_be_sent_again(
    idle_cairn: Cairn, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_start, lost = start.note_start, asyncio.Event()

    async def note_start_once_lost(session: AsyncSession, temporal_id: str, run_id: str) -> bool:
        if not lost.is_set():
            lost.set()
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return await note_start(session, temporal_id, run_id)

    monkeypatch.setattr(start, "note_start", note_start_once_lost)
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        body = {"workflow_id": (await caller.publish(sequence()))["uuid"], "input_data": {}}
        headers = {"Idempotency-Key": "k"}
        first, second = [await caller.http.post("/api/v1/executions", json=body, headers=headers) for _ in range(2)]
        listed = await caller.http.get("/api/v1/executions")
        await callers.close()
    assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
    assert second.status_code == 201
    assert [each["id"] for each in listed.json()["items"]] == [second.json()["id"]]
