"""What people and the outside world do to an execution, sent straight to Temporal."""

from __future__ import annotations

from installation import Cairn, until

from cairn.contracts.executions import SIGNAL_EVENT, UPDATE_ANSWER, Answer, OutsideEvent


async def send(cairn: Cairn, execution_id: str, name: str, payload=None, correlation=None, event_id="e1") -> None:
    now = await cairn.temporal.require(execution_id)
    handle = cairn.client.get_workflow_handle(execution_id)
    event = OutsideEvent(event_id=event_id, lineage=now.run_id, name=name, correlation=correlation, payload=payload)
    await handle.signal(SIGNAL_EVENT, event)


async def asked(cairn: Cairn, execution_id: str) -> str:
    """Return the id of the request that is open."""

    async def found() -> str | None:
        status = await cairn.client.get_workflow_handle(execution_id).query("status")
        return next(iter(status["requests"]), None)

    return await until(found)


async def answer(cairn: Cairn, execution_id: str, request_id: str, value) -> None:
    now = await cairn.temporal.require(execution_id)
    command = Answer(lineage=now.run_id, request_id=request_id, value=value, by="ann")
    await cairn.temporal.command(now, UPDATE_ANSWER, command)
