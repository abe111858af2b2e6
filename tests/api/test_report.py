"""The report of completed calls, as CSV."""

from __future__ import annotations

import csv
import io
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from graphs import node, sequence
from installation import until
from served import Caller, Callers
from sqlalchemy import insert

from cairn.domain.reports import Period, call_report
from cairn.domain.reports.sheet import cell
from cairn.persistence.repository import Scope
from cairn.persistence.tables import CallRow, ExecutionRow

START = datetime(2026, 5, 1, 10, tzinfo=UTC)
HEAD = ["Run ID", "Campaign ID", "Agent ID", "Agent Definition ID", "Created At", "Phone Number", "Call Disposition"]
HEAD = [*HEAD, "Call Duration (s)"]
TAIL = ["Call Tags", "Transcript Summary", "Transcript URL", "Recording URL"]


async def add_calls(callers: Callers, caller: Caller, workflow: dict, calls: list[dict[str, Any]]) -> None:
    """Write calls that have ended, with their executions; the times go on by an hour."""
    executions, rows = [], []
    for number, call in enumerate(calls):
        run = {"tenant": caller.tenant, "live": call.pop("live", True)}
        created = call.pop("created_at", START + timedelta(hours=number))
        run_id = call.pop("id", f"run-{workflow['id']}-{number:06}")
        executions.append(
            {
                **run,
                "id": run_id,
                "temporal_id": f"{caller.tenant}.{run_id}",
                "tag": f"{caller.tenant}.{run_id}",
                "graph_id": workflow["id"],
                "workflow_uuid": workflow["uuid"],
                "version_id": workflow["current_definition_id"],
                "version": 1,
                "status": call.pop("status", "completed"),
                "metadata_": {},
                "surface": "voice",
                "created_at": created,
            }
        )
        version = {"graph_id": workflow["id"], "graph_version_id": workflow["current_definition_id"]}
        ended = created + timedelta(minutes=1)
        defaults = {"extracted": {}, "tags": [], "duration_seconds": 12.5, "created_at": created, "ended_at": ended}
        empty = dict.fromkeys(["phone_number", "disposition", "summary", "transcript_url", "recording_url"])
        rows.append({**run, **version, **defaults, **empty, "execution_id": run_id, **call})
    async with callers.database.transaction() as session:
        for first in range(0, len(rows), 1000):
            await session.execute(insert(ExecutionRow), executions[first : first + 1000])
            await session.execute(insert(CallRow), rows[first : first + 1000])


def table(text: str) -> list[list[str]]:
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline="")))


async def test_the_columns_and_their_order(caller: Caller, callers: Callers) -> None:
    workflow = await caller.publish(sequence())
    calls = [
        {"extracted": {"topic": "bill", "amount": 12.5}, "tags": ["vip", "late"], "duration_seconds": 60.0},
        {
            "extracted": {"amount": -3, "agreed": True, "topic": None},
            "phone_number": "+15550100",
            "disposition": "user_hangup",
            "summary": 'He said "no",\r\nthen\nleft.',
            "transcript_url": "https://x/t",
            "recording_url": "https://x/r",
        },
    ]
    await add_calls(callers, caller, workflow, calls)
    reply = await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/csv")
    name = f'attachment; filename="workflow_{workflow["id"]}_report.csv"'
    assert reply.headers["Content-Disposition"] == name
    head, newest, oldest = table(reply.text)
    assert head == [*HEAD, "amount", "agreed", "topic", *TAIL]  # as they are met, newest call first
    ids = [str(workflow["id"]), str(workflow["current_definition_id"])]
    assert newest == [
        *(f"run-{workflow['id']}-000001", "", *ids, "2026-05-01T11:00:00Z", "'+15550100", "user_hangup", "12.5"),
        *("'-3", "true", "", "", 'He said "no",\r\nthen\nleft.', "https://x/t", "https://x/r"),
    ]
    transcript = f"{callers.settings.links}/api/v1/executions/run-{workflow['id']}-000000"
    assert oldest[4:] == ["2026-05-01T10:00:00Z", "", "", "60", "12.5", "", "bill", "vip, late", "", transcript, ""]
    assert '"He said ""no"",\r\nthen\nleft."' in reply.text
    by_uuid = await caller.http.get(f"/api/v1/workflow/{workflow['uuid']}/report")
    assert by_uuid.text == reply.text and by_uuid.headers["Content-Disposition"] == name


async def test_runs_that_are_no_calls_are_told_too(caller: Caller, callers: Callers) -> None:
    part = sequence(node("b", "transform", set={}))
    graph = sequence(node("each", "map", items="input.numbers", body=part))
    workflow = await caller.publish(graph)
    runs = []
    for numbers in ([1, 2], []):
        body = {"workflow_id": workflow["uuid"], "input_data": {"numbers": numbers}}
        started = await caller.http.post("/api/v1/executions", json=body)
        assert started.status_code == 201, started.text
        runs.append(await caller.reach(started.json()["id"], "completed"))
    await add_calls(callers, caller, workflow, [{"extracted": {"topic": "bill"}, "created_at": START}])

    async def rows() -> list[list[str]]:
        head, *rows = table((await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")).text)
        assert head == [*HEAD, "topic", *TAIL]
        return rows if len(rows) == 3 else []

    second, first, call = await until(rows)  # the items, which run a part of the graph, are no runs of it
    ids = [str(workflow["id"]), str(workflow["current_definition_id"])]
    for row, run in ((first, runs[0]), (second, runs[1])):
        assert row[:4] == [run["id"], "", *ids] and row[5:] == [""] * 8
        assert datetime.fromisoformat(row[4]) == datetime.fromisoformat(run["created_at"])
    assert call[8] == "bill"


async def test_only_completed_calls_of_the_graph_and_mode_are_told(caller: Caller, callers: Callers) -> None:
    workflow, other = await caller.publish(sequence()), await caller.publish(sequence())
    statuses = ["completed", "failed", "cancelled", "paused", "running"]
    await add_calls(callers, caller, workflow, [{"status": status} for status in statuses] + [{"live": False}])
    await add_calls(callers, caller, other, [{}])
    report = (await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")).text
    assert [row[0] for row in table(report)[1:]] == [f"run-{workflow['id']}-000000"]


async def test_dates_are_half_open(caller: Caller, callers: Callers) -> None:
    workflow = await caller.publish(sequence())
    await add_calls(callers, caller, workflow, [{} for _ in range(4)])
    path = f"/api/v1/workflow/{workflow['id']}/report"

    async def hours(**query: str) -> list[int]:
        reply = await caller.http.get(path, params=query)
        assert reply.status_code == 200, reply.text
        return [int(row[4][11:13]) for row in table(reply.text)[1:]]

    assert await hours() == [13, 12, 11, 10]
    assert await hours(start_date="2026-05-01T11:00:00Z") == [13, 12, 11]
    assert await hours(end_date="2026-05-01T13:00:00+00:00") == [12, 11, 10]
    assert await hours(start_date="2026-05-01T11:00:00", end_date="2026-05-01T14:00:00+02:00") == [11]
    assert await hours(start_date="2026-05-01", end_date="2026-05-02") == [13, 12, 11, 10]
    assert await hours(start_date="2026-05-02", end_date="2026-05-01") == []
    for bad in ("yesterday", "2026-13-01", "2026-02-30", "1700000000", "", "2026-05-01T25:00:00Z"):
        for name in ("start_date", "end_date"):
            reply = await caller.http.get(path, params={name: bad})
            assert reply.status_code == 422, (name, bad)
            assert reply.json()["detail"][0]["loc"] == ["query", name]


async def test_an_empty_report_has_its_columns(caller: Caller) -> None:
    workflow = await caller.publish(sequence())
    report = (await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")).text
    assert table(report) == [[*HEAD, *TAIL]]


async def test_nobody_else_gets_it(caller: Caller, callers: Callers) -> None:
    workflow = await caller.publish(sequence())
    path = f"/api/v1/workflow/{workflow['id']}/report"
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(path)).status_code == 404
    assert (await (await callers.new(scopes=["graphs:read"])).http.get(path)).status_code == 403
    assert (await caller.http.get("/api/v1/workflow/999999999/report")).status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1"])  # noqa: RUF001
def test_formulas_are_escaped(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell([text]).startswith("[") and cell(f"a{text}") == f"a{text}"


def test_other_values() -> None:
    assert [cell(value) for value in (None, True, 0, 1.0, 1e300, {"a": [1]}, "é")] == [
        *("", "true", "0", "1", str(int(1e300)), '{"a": [1]}', "é"),
    ]


async def test_names_of_columns_are_escaped_and_odd_text_is_no_fault(caller: Caller, callers: Callers) -> None:
    workflow = await caller.publish(sequence())
    await add_calls(callers, caller, workflow, [{"extracted": {"=cmd()": "a\u0000b", 'a,"b"': "\ud800"}}])
    reply = await caller.http.get(f"/api/v1/workflow/{workflow['id']}/report")
    head, row = table(reply.text)
    assert head[8:10] == ["'=cmd()", 'a,"b"'] and row[9] == "?"


async def test_a_long_report_is_read_in_batches_of_constant_size(caller: Caller, callers: Callers) -> None:
    """Calls of one moment are told apart, each once; a late key is a column of the whole report."""
    workflow = await caller.publish(sequence())
    same = [{"created_at": START, "extracted": {"n": n}, "summary": "x" * 200} for n in range(2601)]
    same[0]["extracted"] = {"late": "yes"}  # the last to be read: its id is the lowest
    await add_calls(callers, caller, workflow, same)
    async with callers.database.session() as session:
        report = await call_report(
            session, callers.database, Scope(caller.tenant, True), workflow["id"], Period(), "https://x"
        )
    tracemalloc.start()
    size, text, largest = 0, [], 0
    async for chunk in report.chunks:
        size, largest = size + len(chunk), max(largest, len(chunk))
        text.append(chunk)
    tracemalloc.stop()
    head, *rows = table(b"".join(text).decode())
    assert head[8:10] == ["n", "late"]
    assert [row[0] for row in rows] == [f"run-{workflow['id']}-{n:06}" for n in range(2600, -1, -1)]
    assert rows[-1][8:10] == ["", "yes"] and largest < size / 4
