from __future__ import annotations

from typing import Any

import pytest
from calls import fail, node_call, run

from activities.code import CodeActivities
from cairn.providers.sandbox import SandboxInForce
from cairn.settings import Settings

ACTIVITY = CodeActivities(SandboxInForce(Settings())).run_code


async def value(code: str, **data: Any) -> Any:
    return (await run(ACTIVITY, node_call(code=code, **data))).value


async def test_run_is_called_with_input_state_and_arguments() -> None:
    code = "def run(input, state, *, rate):\n    return {'total': sum(input['prices']) * rate, 'seen': state['seen']}"
    got = await value(code, input={"prices": [1, 2]}, state={"seen": 4}, arguments={"rate": 2})
    assert got == {"total": 6, "seen": 4}


async def test_what_raises_fails_with_its_place_and_is_not_tried_again() -> None:
    error = await fail(ACTIVITY, node_call(code="def run(input, state):\n    return 1 // input['n']", input={"n": 0}))
    assert (error.type, error.message, error.non_retryable) == (
        "code_error", "ZeroDivisionError: division by zero", True
    )  # fmt: skip
    assert error.details[0]["cause"] == "line 2, in run: return 1 // input['n']"


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("{1}", "set"),
        ("float('inf')", "JSON"),
        ("'x' * (10 * 1024 * 1024)", "more than 10485760 bytes"),
        ("'[' * 3", None),
        ("nested(300)", "nested more than 200 deep"),
    ],
)
async def test_a_result_is_json_of_a_size_that_can_be_recorded(returned: str, said: str | None) -> None:
    code = (
        "def nested(n):\n    x = []\n    for i in range(n): x = [x]\n    return x\n"
        f"def run(input, state):\n    return {returned}"
    )
    if said is None:
        assert await value(code) == "[[["
        return
    error = await fail(ACTIVITY, node_call(code=code))
    assert (error.type, error.non_retryable) == ("invalid_result", True)
    assert said in error.message


async def test_code_that_does_not_end_is_a_timeout_before_the_attempts_own() -> None:
    error = await fail(ACTIVITY, node_call(code="def run(input, state):\n    while True: pass", timeout=1.0))
    assert (error.type, error.non_retryable) == ("timeout", True)
    assert "0.9 seconds" in error.message


async def test_a_sandbox_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    activity = CodeActivities(SandboxInForce(Settings(sandbox="eryx"))).run_code
    error = await fail(activity, node_call(code="def run(input, state): return 1"))
    assert (error.type, error.non_retryable) == ("sandbox_missing", True)
    assert "CAIRN_SANDBOX" in error.message


async def test_a_call_of_another_run_runs_nothing() -> None:
    assert (await fail(ACTIVITY, node_call(code="def run(input, state): 1 / 0", run_id="other"))).type == "parked"
