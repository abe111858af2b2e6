from __future__ import annotations

import asyncio
import threading
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from cairn.domain.tools import InvalidArguments, ToolContext, ToolError, ToolRegistry, tool

CONTEXT = ToolContext("key", "execution", "tenant", True, "node", 1, "lineage")


class Address(BaseModel):
    street: str
    number: int = 1


@tool
async def ship(
    order: Annotated[str, Field(description="The order's number.")],
    to: Address,
    day: date,
    context: ToolContext,
    parts: list[int] | None = None,
) -> dict[str, Any]:
    """Ship an order.

    Args:
        order: not part of the description.
    """
    return {"order": order, "to": to, "day": day, "parts": parts, "key": context.idempotency_key}


def test_annotations_and_docstring_make_name_description_and_schema() -> None:
    assert (ship.name, ship.description) == ("ship", "Ship an order.")
    schema = ship.parameters
    assert schema["required"] == ["order", "to", "day"]
    assert set(schema["properties"]) == {"order", "to", "day", "parts"}
    assert schema["properties"]["order"]["description"] == "The order's number."
    assert schema["additionalProperties"] is False


async def test_arguments_are_validated_and_the_result_is_json() -> None:
    result = await ship.run({"order": "7", "to": {"street": "A"}, "day": "2026-01-02"}, CONTEXT)
    assert result == {
        "order": "7",
        "to": {"street": "A", "number": 1},
        "day": "2026-01-02",
        "parts": None,
        "key": "key",
    }


async def test_invalid_arguments_name_every_fault_and_are_not_retryable() -> None:
    with pytest.raises(InvalidArguments) as caught:
        await ship.run({"to": {"street": "A", "number": "x"}, "day": "2026-01-02", "context": 1}, CONTEXT)
    for fault in ("order: Field required", "to.number: ", "context: Extra inputs are not permitted"):
        assert fault in caught.value.message
    assert caught.value.retryable is False
    assert caught.value.code == "invalid_arguments"


def test_the_function_can_still_be_called() -> None:
    @tool(name="sum", description="Adds.")
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert add(1) == 3
    assert (add.name, add.description, add.repeatable) == ("sum", "Adds.", False)


def test_a_tool_says_whether_it_may_be_called_again() -> None:
    @tool(repeatable=True)
    def look() -> int:
        """Look."""
        return 1

    @tool
    def send() -> int:
        """Send."""
        return 1

    assert ToolRegistry([look, send]).repeatable() == {"look"}


async def test_a_sync_function_runs_in_a_thread_and_several_at_once() -> None:
    barrier = threading.Barrier(8, timeout=10)

    @tool
    def meet() -> str:
        """Wait for the others."""
        barrier.wait()
        return threading.current_thread().name

    names = await asyncio.gather(*(meet.run({}, CONTEXT) for _ in range(8)))
    assert len(set(names)) == 8
    assert threading.current_thread().name not in names


async def test_parameters_may_have_names_that_a_model_uses() -> None:
    @tool
    def odd(json: str, copy: int = 1, model_config: str = "c", schema: dict[str, int] | None = None) -> list[Any]:
        """Odd names."""
        return [json, copy, model_config, schema]

    assert await odd.run({"json": "j", "schema": {"a": 1}}, CONTEXT) == ["j", 1, "c", {"a": 1}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {"a": threading.Lock()}])
async def test_a_result_that_json_cannot_hold_is_an_error(value: Any) -> None:
    @tool
    def bad() -> Any:
        """Bad."""
        return value

    with pytest.raises(ToolError) as caught:
        await bad.run({}, CONTEXT)
    assert (caught.value.code, caught.value.retryable) == ("invalid_result", False)


def test_a_signature_without_a_schema_is_refused() -> None:
    def unannotated(a):  # type: ignore[no-untyped-def]
        return a

    def variadic(*args: int) -> None: ...

    def unknown(a: threading.Lock) -> None: ...

    for function in (unannotated, variadic, unknown):
        with pytest.raises(TypeError, match=f"Tool '{function.__name__}'"):
            tool(function)
