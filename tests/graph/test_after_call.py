"""What follows a call, stepped by hand: reviews and webhooks."""

from __future__ import annotations

import pytest
from phone import pizzeria, speaker
from stepped_call import Phone

from cairn.contracts.executions import OutsideEvent

HOOK = speaker("hook", "webhook", endpoint_url="https://x.example/{{ workflow_run_id }}")
REVIEW = speaker("review", "qa", qa_min_call_duration=5)


def ended(*more: dict, seconds: float = 20, **configuration) -> Phone:
    p = Phone(pizzeria(*more), {"phone_number": "+4930"}, max_user_idle_timeout=100, **configuration)
    p.go()
    p.hear("Hi", after=seconds)
    p.said("Hello.")
    p.hear(None, "hangup", after=0)
    return p


def test_reviews_and_then_webhooks_follow_the_call() -> None:
    hook = {**HOOK, "data": {**HOOK["data"], "custom_headers": [{"key": "X-Guest", "value": "{{ phone_number }}"}]}}
    hook["data"]["payload_template"] = {
        "from": "{{ initial_context.phone_number }}",
        "note": "{{ call_disposition }} after {{ call_duration_seconds }}",
        "reviews": ["{{ annotations.review.tags }}"],
        "nothing": "{{ no.such }}",
        "n": 5,
    }
    p = ended(hook, REVIEW)
    assert p.under_way().summary == "review"
    assert "Caller: Hi" in p.under_way().data["prompt"]
    assert p.under_way().checkpoint == "review"
    assert p.brought({"summary": "They said hi.", "tags": ["short"]}) == ["hook"]
    data = p.under_way().data
    assert data["url"] == "https://x.example/e"
    assert data["headers"] == {"X-Guest": "+4930"}
    assert data["body"] == {
        "from": "+4930",
        "note": "user_hangup after 20",
        "reviews": [["short"]],
        "nothing": None,
        "n": 5,
    }
    p.brought({"status": 200})
    assert p.state.ended
    assert p.state.failure is None


def test_a_webhook_without_a_payload_tells_all() -> None:
    p = ended(HOOK)
    assert p.under_way().data["body"] == {
        "execution_id": "e",
        "workflow_id": "w",
        "initial_context": {"phone_number": "+4930"},
        "gathered_context": {},
        "call_disposition": "user_hangup",
        "call_duration_seconds": 20.0,
        "transcript": "Agent: Welcome to the pizzeria, dear guest!\nCaller: Hi\nAgent: Hello.",
        "annotations": {},
    }


@pytest.mark.parametrize(("method", "has_body"), [("GET", False), ("POST", True), ("DELETE", True)])
def test_a_webhook_that_is_a_get_sends_no_body(method: str, has_body: bool) -> None:
    data = ended(speaker("hook", "webhook", endpoint_url="https://x.example", http_method=method)).under_way().data
    assert (data["method"], data["has_body"]) == (method, has_body)


def test_what_follows_the_call_may_fail() -> None:
    p = ended(HOOK, REVIEW)
    p.broke("model_config")
    p.broke("http_status")
    assert p.state.ended
    assert p.state.failure is None
    assert [each["node_id"] for each in p.call.problems] == ["review", "hook"]
    assert p.state.outputs["hook"] == {"error": {"code": "http_status", "message": "it broke"}}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"qa_enabled": False}, "it is disabled"),
        ({"qa_min_call_duration": 21}, "the call was shorter than 21 seconds"),
        ({"qa_sample_rate": 1}, "the call is not in the sample"),
    ],
)
def test_reviews_that_are_not_wanted(data: dict, why: str) -> None:
    p = ended(speaker("review", "qa", **{"qa_min_call_duration": 5, **data}))
    assert p.state.ended
    assert p.state.outputs["review"] == {"skipped": why}


def test_calls_that_a_machine_took_are_reviewed_when_that_is_wanted() -> None:
    for wanted in (False, True):
        p = Phone(pizzeria(speaker("review", "qa", qa_min_call_duration=0, qa_voicemail_calls=wanted)))
        p.go()
        event = OutsideEvent(event_id="h", lineage="", name="hangup", payload={"disposition": "voicemail_detected"})
        p.state.inbox.append(event)
        assert p.go(1) == (["review"] if wanted else [])


def test_a_review_may_have_a_model_of_its_own() -> None:
    own = {
        "qa_use_workflow_llm": False,
        "qa_provider": "openai",
        "qa_model": "gpt-5.2",
        "qa_system_prompt": "Judge {{ kind }}",
    }
    p = ended(speaker("review", "qa", **own))
    assert p.under_way().data["model"] == "openai:gpt-5.2"
    assert p.under_way().data["system"] == "Judge "


def test_a_review_may_have_a_key_and_a_base_url_of_its_own() -> None:
    own = {"qa_provider": "openai", "qa_model": "m", "qa_api_key": "sealed:k:x", "qa_endpoint": "https://x.example/v1"}
    p = ended(speaker("review", "qa", qa_use_workflow_llm=False, **own))
    assert p.under_way().data["own"] == {"api_key": "sealed:k:x", "endpoint": "https://x.example/v1"}
    assert "own" not in ended(speaker("review", "qa", **own)).under_way().data


def test_what_follows_a_failed_call_runs_before_the_execution_fails() -> None:
    p = Phone(pizzeria(HOOK))
    p.go()
    p.hear("Hi")
    assert p.broke("model_config") == ["hook"]
    assert p.state.failure is None
    p.brought({"status": 200})
    assert p.state.failure.code == "model_config"
