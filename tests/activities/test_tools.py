from __future__ import annotations

from typing import Any

from calls import fail, node_call, run

from activities.tools import ToolActivities
from cairn.domain.tools import ToolContext, ToolError, ToolRegistry, tool


@tool
def show(context: ToolContext, value: int = 0) -> dict[str, Any]:
    """Show the context."""
    return {"key": context.idempotency_key, "attempt": context.attempt, "node": context.node_id, "value": value}


@tool
async def broken(kind: str) -> None:
    """Fail in one of several ways."""
    match kind:
        case "bug":
            raise ZeroDivisionError("division by zero")
        case "refused":
            raise ToolError("no stock", retryable=False, code="no_stock")
        case _:
            raise ToolError("busy") from ConnectionError("connection reset")


ACTIVITY = ToolActivities(ToolRegistry([show, broken])).run_tool


async def test_a_tool_gets_its_arguments_and_its_context() -> None:
    result = await run(ACTIVITY, node_call(tool="show", arguments={"value": 3}), attempt=2)
    assert result.value == {"key": "e1/n1/1/l1", "attempt": 2, "node": "n1", "value": 3}


async def test_arguments_may_be_left_out() -> None:
    assert (await run(ACTIVITY, node_call(tool="show"))).value["value"] == 0


async def test_an_unknown_tool_and_bad_arguments_are_not_retried() -> None:
    unknown = await fail(ACTIVITY, node_call(tool="shew"))
    assert (unknown.type, unknown.non_retryable) == ("unknown_tool", True)
    assert "known tools: broken, show" in unknown.message
    invalid = await fail(ACTIVITY, node_call(tool="show", arguments={"value": "three"}))
    assert (invalid.type, invalid.non_retryable) == ("invalid_arguments", True)
    assert "value:" in invalid.message


async def test_an_exception_is_retried_and_names_its_cause() -> None:
    error = await fail(ACTIVITY, node_call(tool="broken", arguments={"kind": "bug"}), attempt=3)
    assert (error.type, error.non_retryable) == ("tool_error", False)
    assert error.details[0] == {
        "code": "tool_error",
        "attempt": 3,
        "cause": "ZeroDivisionError: division by zero",
    }


async def test_a_tool_says_itself_how_it_failed() -> None:
    refused = await fail(ACTIVITY, node_call(tool="broken", arguments={"kind": "refused"}))
    assert (refused.type, refused.non_retryable, refused.message) == ("no_stock", True, "no stock")
    busy = await fail(ACTIVITY, node_call(tool="broken", arguments={"kind": "busy"}))
    assert (busy.type, busy.non_retryable) == ("tool_error", False)
    assert busy.details[0]["cause"] == "connection reset"


async def test_a_call_of_another_run_does_not_reach_the_tool() -> None:
    reached: list[str] = []

    @tool
    def effect() -> None:
        """Have an effect."""
        reached.append("effect")

    activity = ToolActivities(ToolRegistry([effect])).run_tool
    assert (await fail(activity, node_call(tool="effect", run_id="before the reset"))).type == "parked"
    assert reached == []
    await run(activity, node_call(tool="effect"))
    assert reached == ["effect"]
