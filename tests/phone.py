"""Voice graphs for tests, and a caller who speaks."""

from __future__ import annotations

from installation import Cairn, until

from cairn.domain.executions.outside import Event, send_event
from cairn.errors import Conflict
from cairn.persistence.tables import CallRow


def say(source: str, target: str, label: str, condition: str = "", **data) -> dict:
    """An edge of a voice graph."""
    return {
        "id": f"{source}>{target}:{label}",
        "source": source,
        "target": target,
        "data": {"label": label, "condition": condition or f"The caller wants {label}", **data},
    }


def speaker(node_id: str, kind: str = "agentNode", **data) -> dict:
    """A node of a voice graph."""
    return {"id": node_id, "type": kind, "data": {"name": node_id, "prompt": f"You are at {node_id}.", **data}}


def pizzeria(*more: dict, **start) -> dict:
    """Orders or reservations, by what the caller says."""
    order = {
        "extraction_enabled": True,
        "extraction_variables": [
            {"name": "pizzas", "type": "number", "prompt": "how many"},
            {"name": "name", "type": "string"},
            {"name": "delivery", "type": "boolean"},
        ],
    }
    return {
        "nodes": [
            speaker(
                "hello",
                "startCall",
                greeting="Welcome to {{ place | the pizzeria }}, {{ guest.name | dear guest }}!",
                **start,
            ),
            speaker("order", **order),
            speaker("table"),
            speaker("bye", "endCall"),
            *more,
        ],
        "edges": [
            say("hello", "order", "order pizza", "The caller wants to order", transition_speech="One moment."),
            say("hello", "table", "reserve table", "The caller wants a reservation"),
            say("order", "bye", "finished", "The caller is finished"),
            say("table", "bye", "finished", "The caller is finished"),
        ],
    }


PATIENT = {"max_user_idle_timeout": 600, "max_call_duration": 1200}
"""The configuration of calls that no busy machine is to end."""


async def dial(cairn: Cairn, graph: dict, input_data: dict | None = None, **configuration) -> str:
    """Begin a call; return the execution's id."""
    workflow = await cairn.publish(graph, configuration={**PATIENT, **configuration})
    return (await cairn.start(workflow, input_data)).id


async def tell(cairn: Cairn, execution_id: str, text: str, name: str = "utterance") -> str:
    """Say something on the phone."""

    async def told() -> str | None:
        async with cairn.executions() as service:
            try:
                return await send_event(service, execution_id, Event(name, {"text": text}))
            except Conflict as error:
                assert error.code == "not_started"
                return None

    return await until(told)


async def row_of(cairn: Cairn, execution_id: str) -> CallRow | None:
    """What is written down of the call."""
    async with cairn.database.session() as session:
        return await session.get(CallRow, (cairn.principal.tenant, execution_id))


async def call_of(cairn: Cairn, execution_id: str):
    """What the engine knows of the call, by history."""
    async with cairn.executions() as service:
        _, now = await service.located(execution_id)
        projection = await service.temporal.project(now)
        return projection.engine.state.call if projection.engine.started else None


async def lines(cairn: Cairn, execution_id: str, count: int) -> list[str]:
    """Wait until so many lines were said; return all."""

    async def said():
        call = await call_of(cairn, execution_id)
        return call if call is not None and len(call.transcript) >= count else None

    call = await until(said)
    return [f"{each.role}: {each.text}" for each in call.transcript]
