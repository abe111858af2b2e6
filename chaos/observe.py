"""What is there when the storm is over: read from the list, from each execution, from Temporal and from histories."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx2
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from cairn.contracts.executions import SIGNAL_EVENT, OutsideEvent
from cairn.contracts.json import Json
from cairn.contracts.nodes import RUN_TOOL, NodeCall
from cairn.contracts.operations import RESET_WORKFLOW_TYPE
from cairn.temporal.events import WasReset
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.history import read
from chaos.driver import shown
from chaos.installation import Installation
from chaos.records import ENDS, Asked, Found, Request, Run, Shown, Story, Talk, Undone
from workflows.registry import WORKFLOWS

AGREEMENT = 30.0
"""Seconds in which the list has to say what Temporal says, before anyone reads the executions one by one."""

ANSWER = 120.0
"""Seconds in which a reading has to be answered with something else than 503."""

TOLD = 90.0
"""Seconds in which a request that waits has to be told of: the longest pause between two tries is a minute."""

REPLAYED = {workflow._Definition.must_from_class(each).name for each in WORKFLOWS}  # pyright: ignore[reportPrivateUsage]
"""Types of workflows whose histories have to replay: all there are."""


class Observer:
    """Reads an installation that nobody hurts any more."""

    def __init__(self, site: Installation, patience: float) -> None:
        """Take the installation, and seconds in which each thing that is read has to come to rest."""
        self.site = site
        self._agreement, self._told = min(AGREEMENT, patience), min(TOLD, patience)
        self.temporal = ExecutionClient(site.client, site.settings)

    async def story(self, asked: list[Asked], talks: list[Talk], before: dict[str, int]) -> Story:
        """Return everything that the checker wants to know.

        Args:
            asked: what the clients asked.
            talks: the conversations that they had; what is shown of them is read into them.
            before: bytes that each program held before the storm.
        """
        stuck = await self._reset_ends()
        headers = {"X-API-Key": self.site.key}
        async with httpx2.AsyncClient(base_url=self.site.urls[0], headers=headers, timeout=30) as http:
            listed, temporal = await self._agreed(http)
            got = {id_: await _read(http, f"/api/v1/executions/{id_}") for id_ in listed}
            resets = {id_: (await _read(http, f"/api/v1/executions/{id_}/lineage"))["resets"] for id_ in listed}
            known = {id_: await _known(http, got[id_]) for id_ in listed if resets[id_]}
            requests = await self._requests(http, {id_ for id_, each in got.items() if each["status"] in ENDS})
            for talk in talks:
                path = f"/api/v1/conversations/{talk.conversation_id}/messages"
                talk.shown = [_shown(each) async for each in _all(http, path, "messages")]
        histories = await self._histories()
        runs = {
            id_: [await _run(history, self.site.client, histories) for history in histories.get(id_, [])]
            for id_ in listed
        }
        turns = {said.tag for talk in talks for said in talk.said}
        found = [
            Found(
                id_,
                item["metadata"]["tag"],
                shown(item),
                shown(got[id_]),
                temporal[id_],
                tuple(runs[id_]),
                parent=item["parent_execution_id"],
                source=(item["forked_from"] or {}).get("execution_id"),
                turn=item["metadata"]["tag"] in turns,
                rollbacks=_rollbacks(id_, resets[id_]),
                known=known.get(id_, frozenset()),
            )
            for id_, item in listed.items()
        ]
        unreplayable = await self._replay(h for every in histories.values() for h in every)
        now = self.site.memory()
        return Story(
            asked,
            found,
            self.site.ledger.read(),
            unreplayable,
            stuck,
            requests=requests,
            deliveries=self.site.outside.deliveries,
            memory={name: (held, now[name]) for name, held in before.items()},
            talks=talks,
        )

    async def _requests(self, http: httpx2.AsyncClient, ended: set[str]) -> list[Request]:
        """Return the approvals that wait, and those that someone was told of.

        The former are given time to be told, and to be cancelled if their executions are among those that have ended.
        """
        end = time.monotonic() + self._told
        while True:
            told = {each.request_id for each in self.site.outside.deliveries}
            waiting = [item async for item in _all(http, "/api/v1/approvals/pending", "approvals")]
            pending = {item["id"] for item in waiting}
            settled = ended.isdisjoint(item["execution_id"] for item in waiting)
            settled = settled and pending <= {d.request_id for d in self.site.outside.deliveries if d.taken}
            if settled or time.monotonic() > end:
                break
            await asyncio.sleep(0.5)
        found: list[Request] = []
        for id_ in sorted(told | pending):
            got = await _read(http, f"/api/v1/approvals/{id_}")
            found.append(Request(id_, got["execution_id"], got["status"], got["notified_at"] is not None))
        return found

    async def _reset_ends(self) -> list[str]:
        """Wait for the resets that are under way; return those that do not end."""
        end = time.monotonic() + self._agreement
        while True:
            query = f"WorkflowType = '{RESET_WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
            stuck = [found.id async for found in self.site.client.list_workflows(query)]
            if not stuck or time.monotonic() > end:
                return stuck
            await asyncio.sleep(0.3)

    async def _agreed(self, http: httpx2.AsyncClient) -> tuple[dict[str, dict[str, Any]], dict[str, Shown]]:
        """Read list and Temporal until they agree, or for as long as they may take; return what they said last."""
        end = time.monotonic() + self._agreement
        while True:
            listed = {item["id"]: item async for item in _all(http)}
            listed |= {
                item["id"]: item for id_ in listed for item in [i async for i in _all(http, parent_execution_id=id_)]
            }
            temporal = {id_: await self._described(id_) for id_ in listed}
            agree = all(item["status"] == temporal[id_].status for id_, item in listed.items())
            if agree or time.monotonic() > end:
                return listed, temporal
            await asyncio.sleep(0.5)

    async def _described(self, execution_id: str) -> Shown:
        found = await self.temporal.describe(execution_id)
        if found is None:
            return Shown("unknown", 0)
        return Shown(found.phase.value, found.revision, run_id=found.run_id)

    async def _histories(self) -> dict[str, list[WorkflowHistory]]:
        """Return the histories of all runs there are, by workflow, oldest run first."""
        found: dict[str, list[WorkflowHistory]] = defaultdict(list)
        listed = [each async for each in self.site.client.list_workflows("")]
        for each in sorted(listed, key=lambda w: w.start_time):
            handle = self.site.client.get_workflow_handle(each.id, run_id=each.run_id)
            found[each.id].append(await handle.fetch_history())
        return found

    async def _replay(self, histories: Iterable[WorkflowHistory]) -> list[tuple[str, str]]:
        replayer = Replayer(
            workflows=WORKFLOWS,
            data_converter=self.site.client.data_converter,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        failed: list[tuple[str, str]] = []
        async with replayer.workflow_replay_iterator(_of_types(histories, REPLAYED)) as results:
            async for result in results:
                if result.replay_failure is not None:
                    where = f"{result.history.workflow_id} {result.history.run_id}"
                    failed.append((where, str(result.replay_failure)))
        return failed


def _shown(message: dict[str, Any]) -> tuple[str, str | None]:
    return message["role"], message["content"] if message["finished"] else None


async def _read(http: httpx2.AsyncClient, path: str, **which: Any) -> Any:
    """Return what is at a path. A machine that is busy with much else may say for a while that nobody answers."""
    end = time.monotonic() + ANSWER
    while True:
        reply = None
        try:
            reply = await http.get(path, params=which)
        except httpx2.TransportError:
            if time.monotonic() > end:
                raise
        if reply is not None and (reply.status_code != 503 or time.monotonic() > end):
            return reply.raise_for_status().json()
        await asyncio.sleep(1)


async def _all(
    http: httpx2.AsyncClient, path: str = "/api/v1/executions", items: str = "items", **which: str
) -> AsyncIterator[dict[str, Any]]:
    """Yield what is in all pages of a list."""
    page = 1
    while True:
        found = await _read(http, path, page=page, page_size=100, **which)
        for item in found[items]:
            yield item
        if page * 100 >= found["total"]:
            return
        page += 1


async def _of_types(histories: Iterable[WorkflowHistory], known: set[str | None]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        started = history.events[0].workflow_execution_started_event_attributes
        if started.workflow_type.name in known:
            yield history


async def _known(http: httpx2.AsyncClient, execution: dict[str, Any]) -> frozenset[str]:
    """Return all texts in what the nodes of an execution had returned by its last checkpoint."""
    path = f"/api/v1/executions/{execution['id']}/checkpoints/{execution['current_checkpoint_id']}"
    return frozenset(_texts((await _read(http, path))["outputs"]))


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _rollbacks(execution_id: str, resets: list[dict[str, Any]]) -> dict[str, tuple[Undone, ...]]:
    return {
        each["operation_id"]: tuple(
            Undone(c["execution_id"] or execution_id, c["node_id"], c["visit"], c["status"])
            for c in each["compensations"]
        )
        for each in resets
        if each["kind"] == "rollback"
    }


def _children(history: WorkflowHistory, histories: dict[str, list[WorkflowHistory]]) -> frozenset[str]:
    """Return the executions that a run started, itself or by its maps."""
    found: set[str] = set()
    for event in history.events:
        name = event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        if name.startswith("map_"):
            found |= {child for run in histories.get(name, []) for child in _children(run, histories)}
        elif name:
            found.add(name)
    return frozenset(found)


async def _run(history: WorkflowHistory, client: Client, histories: dict[str, list[WorkflowHistory]]) -> Run:
    """Return what a run's history says, read without the engine."""
    resets = [e for e in await read(history.events, client.data_converter) if isinstance(e, WasReset)]
    last = resets[-1] if resets else None
    scheduled: dict[int, str] = {}
    completed: set[str] = set()
    heard: set[str] = set()
    for event in history.events:
        told = event.workflow_execution_signaled_event_attributes
        if told.signal_name == SIGNAL_EVENT:
            (outside,) = await client.data_converter.decode(told.input.payloads, [OutsideEvent])
            heard.add(outside.event_id)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            work = event.activity_task_scheduled_event_attributes
            if work.activity_type.name == RUN_TOOL.name:
                (call,) = await client.data_converter.decode(work.input.payloads, [NodeCall])
                scheduled[event.event_id] = call.idempotency_key
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            done = event.activity_task_completed_event_attributes.scheduled_event_id
            if done in scheduled:
                completed.add(scheduled[done])
    return Run(
        # A history names the first run of all that resets have made of it.
        last.new_run_id if last else history.run_id,
        last.reason if last else None,
        last.base_run_id if last else None,
        frozenset(scheduled.values()),
        frozenset(completed),
        history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id or None,
        _children(history, histories),
        frozenset(heard),
    )
