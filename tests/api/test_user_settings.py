"""Settings of users."""

from __future__ import annotations

import asyncio

import pytest
from served import Caller, Callers

SETTINGS = "/api/v1/settings"


async def patch(caller: Caller, body: object, status: int = 200, **options):
    reply = await caller.http.patch(SETTINGS, json=body, **options)
    assert reply.status_code == status, reply.text
    return reply.json()


async def test_settings_are_the_defaults_until_they_are_changed(caller: Caller) -> None:
    defaults = (await caller.http.get(f"{SETTINGS}/defaults")).json()
    assert defaults["version"] == 0 and defaults["settings"]["custom"] == {}
    assert defaults["settings"]["appearance"] == {"theme": "system", "density": "comfortable"}
    assert (await caller.http.get(SETTINGS)).json() == defaults
    changed = await patch(caller, {"appearance": {"theme": "dark"}, "chat": {"agent_id": "a1"}})
    assert changed["version"] == 1
    assert changed["settings"]["appearance"] == {"theme": "dark", "density": "comfortable"}
    assert changed["settings"]["chat"] == {**defaults["settings"]["chat"], "agent_id": "a1"}
    assert changed["settings"]["locale"] == defaults["settings"]["locale"]
    assert (await caller.http.get(SETTINGS)).json() == changed
    assert (await caller.http.get(f"{SETTINGS}/defaults")).json() == defaults


async def test_a_patch_is_a_merge_patch_whose_null_leads_back_to_the_default(caller: Caller) -> None:
    await patch(caller, {"appearance": {"theme": "dark", "density": "compact"}, "lists": {"page_size": 5.0}})
    changed = await patch(caller, {"appearance": {"theme": None}})
    assert changed["settings"]["appearance"] == {"theme": "system", "density": "compact"}
    assert changed["settings"]["lists"] == {"page_size": 5} and changed["version"] == 2
    changed = await patch(caller, {"appearance": None, "lists": {"page_size": 50}})
    assert changed["settings"]["appearance"] == {"theme": "system", "density": "comfortable"}
    assert (await patch(caller, {"lists": {"page_size": 50}}))["version"] == 3, "nothing changed"
    assert (await patch(caller, {}))["version"] == 3
    merge = {"Content-Type": "application/merge-patch+json"}
    reply = await caller.http.patch(SETTINGS, content=b'{"lists": null}', headers=merge)
    assert reply.json()["settings"]["lists"] == {"page_size": 20}


async def test_what_is_no_setting_is_kept_under_custom(caller: Caller) -> None:
    changed = await patch(caller, {"sidebar": {"open": True, "gone": None}, "locale": {"currency": "EUR"}})
    assert changed["settings"]["custom"] == {"sidebar": {"open": True}, "locale": {"currency": "EUR"}}
    changed = await patch(caller, {"sidebar": {"width": 5}, "custom": {"sidebar": {"open": False}, "n": [1, None]}})
    assert changed["settings"]["custom"]["sidebar"] == {"open": False}, "what is said of custom itself comes last"
    changed = await patch(caller, {"sidebar": {"width": 5}, "n": None})
    assert changed["settings"]["custom"] == {"sidebar": {"open": False, "width": 5}, "locale": {"currency": "EUR"}}
    changed = await patch(caller, {"custom": None, "kept": "\u0000 ü"})
    assert changed["settings"]["custom"] == {"kept": "\u0000 ü"}
    assert (await caller.http.get(SETTINGS)).json() == changed
    refused = await patch(caller, {"big": "x" * 70_000}, 422)
    assert refused["detail"][0]["loc"] == ["body", "custom"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"appearance": {"theme": "pink"}}, ["appearance", "theme"]),
        ({"appearance": "dark"}, ["appearance"]),
        ({"appearance": []}, ["appearance"]),
        ({"chat": {"stream": "yes"}}, ["chat", "stream"]),
        ({"chat": {"model": 5}}, ["chat", "model"]),
        ({"lists": {"page_size": 0}}, ["lists", "page_size"]),
        ({"lists": {"page_size": "20"}}, ["lists", "page_size"]),
        ({"lists": {"page_size": True}}, ["lists", "page_size"]),
        ({"locale": {"language": "Deutsch"}}, ["locale", "language"]),
        ({"locale": {"timezone": "Mars/Base"}}, ["locale", "timezone"]),
        ({"notifications": {"quiet_from": "24:00"}}, ["notifications", "quiet_from"]),
        ({"custom": 5}, ["custom"]),
        ({"custom": False}, ["custom"]),
    ],
)
async def test_a_wrong_type_is_refused_and_nothing_is_changed(caller: Caller, body: object, loc: list[str]) -> None:
    refused = await patch(caller, {"lists": {"page_size": 7}, "x": 1, **body} if isinstance(body, dict) else body, 422)
    assert refused.keys() == {"detail", "code", "request_id"}
    if loc != ["lists", "page_size"]:
        assert [each["loc"] for each in refused["detail"]] == [["body", *loc]]
    assert (await caller.http.get(SETTINGS)).json()["version"] == 0


async def test_a_body_that_is_no_object_is_refused(caller: Caller) -> None:
    for body in ([], "dark", 5, None):
        refused = await caller.http.patch(SETTINGS, json=body)
        assert refused.status_code == 422 and refused.json()["detail"][0]["loc"][0] == "body", refused.text


async def test_settings_are_reset_all_or_by_name(caller: Caller) -> None:
    own = {"appearance": {"theme": "dark"}, "locale": {"language": "de", "timezone": "Europe/Berlin"}, "a.b": 1, "c": 2}
    await patch(caller, own)
    reset = await caller.http.post(f"{SETTINGS}/reset", json={"keys": ["locale.language", "custom.a.b"]})
    settings = reset.json()["settings"]
    assert settings["locale"] == {"language": "en", "timezone": "Europe/Berlin", "time_format": "24h"}
    assert (settings["custom"], settings["appearance"]["theme"], reset.json()["version"]) == ({"c": 2}, "dark", 2)
    reset = await caller.http.post(f"{SETTINGS}/reset", json={"keys": ["appearance", "custom"]})
    assert (reset.json()["settings"]["custom"], reset.json()["settings"]["appearance"]["theme"]) == ({}, "system")
    assert (await caller.http.post(f"{SETTINGS}/reset", json={"keys": []})).json() == reset.json()
    refused = await caller.http.post(f"{SETTINGS}/reset", json={"keys": ["locale", "colour", "locale.x"]})
    assert [each["loc"] for each in refused.json()["detail"]] == [["body", "keys", 1], ["body", "keys", 2]]
    key = {"Idempotency-Key": "reset"}
    everything = await caller.http.post(f"{SETTINGS}/reset", headers=key)
    defaults = (await caller.http.get(f"{SETTINGS}/defaults")).json()["settings"]
    assert (everything.json()["settings"], everything.json()["version"]) == (defaults, 4)
    await patch(caller, {"lists": {"page_size": 5}})
    again = await caller.http.post(f"{SETTINGS}/reset", headers=key)
    assert again.headers["Idempotent-Replayed"] == "true" and again.json() == everything.json()
    assert (await caller.http.get(SETTINGS)).json()["version"] == 5


async def test_a_stale_change_is_refused(caller: Caller) -> None:
    await patch(caller, {"lists": {"page_size": 5}}, headers={"If-Match": '"0"'})
    refused = await patch(caller, {"lists": {"page_size": 6}}, 409, headers={"If-Match": "0"})
    assert (refused["code"], refused["version"], refused["expected_version"]) == ("stale_version", 1, 0)
    await patch(caller, {"lists": {"page_size": 6}}, headers={"If-Match": 'W/"1"'})
    anyhow = await patch(caller, {"lists": {"page_size": 7}}, headers={"If-Match": "*"})
    assert anyhow["version"] == 3
    await patch(caller, {}, 422, headers={"If-Match": "x"})


async def test_changes_at_once_are_all_kept(caller: Caller) -> None:
    replies = await asyncio.gather(*(patch(caller, {f"k{n}": n}) for n in range(12)))
    assert sorted(reply["version"] for reply in replies) == list(range(1, 13))
    assert len((await caller.http.get(SETTINGS)).json()["settings"]["custom"]) == 12


async def test_each_user_has_settings_of_their_own(callers: Callers) -> None:
    ann = await callers.new(user_id="ann", kind="human")
    await patch(ann, {"lists": {"page_size": 5}})
    second_key = await callers.new(ann.tenant, user_id="ann")
    assert (await second_key.http.get(SETTINGS)).json()["settings"]["lists"] == {"page_size": 5}
    others = [
        await callers.new(ann.tenant, user_id="ben"),
        await callers.new(ann.tenant),
        await callers.new(ann.tenant, user_id="ann", live=False),
        await callers.new(user_id="ann"),
    ]
    for other in others:
        assert (await other.http.get(SETTINGS)).json()["version"] == 0


async def test_reading_and_writing_need_their_scopes(callers: Callers) -> None:
    reader = await callers.new(scopes=["settings:read"])
    assert (await reader.http.get(SETTINGS)).status_code == 200
    for refused in (await reader.http.patch(SETTINGS, json={}), await reader.http.post(f"{SETTINGS}/reset")):
        assert refused.status_code == 403 and refused.json()["required_scope"] == "settings:write"
    assert (await callers.client().get(SETTINGS)).status_code == 401
