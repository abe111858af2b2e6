"""The worker is killed (-9) in the middle of a schedule's firing: one execution, which ends right."""

from __future__ import annotations

import pytest
from crash.conftest import spending
from crash.site import SOON, Site, new_key
from graphs import sequence

from cairn.contracts.json import JsonObject
from chaos.programs import until

PATH = "/api/v1/schedules"


async def runs(site: Site, schedule_id: str) -> list[JsonObject]:
    reply = await site.caller.http.get(f"{PATH}/{schedule_id}")
    return reply.json()["recent_runs"] if reply.status_code == 200 else []


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "step",
    [
        "before the row of a firing",
        "after the row of a firing, before its activity ends",
        "after the execution of a firing was started, before that is noted",
    ],
)
async def test_a_firing_is_ended_by_another_worker(site: Site, step: str) -> None:
    tag = new_key()
    workflow = await site.caller.publish(sequence(spending("a"), spending("b")))
    body = {
        "workflow_id": workflow["uuid"],
        "metadata": {"tag": tag},
        "spec": {"cron": "0 0 1 1 * 2099"},
    }
    made = (await site.post("/schedules", body)).json()
    await site.will_crash(site.worker, step)
    assert (await site.post(f"/schedules/{made['id']}/trigger", {}, new_key())).status_code == 200
    await site.died(site.worker)
    await site.restart(site.worker)

    async def ended() -> JsonObject | None:
        found = await runs(site, made["id"])
        return found[0] if [run["status"] for run in found] == ["completed"] else None

    run = await until(ended, 2 * SOON, "the end of the firing")
    (execution,) = await site.tagged(tag)
    assert execution["id"] == run["execution_id"]
    assert [len(site.effects(name, execution["id"])) for name in ("a", "b")] == [1, 1]
    shown = (await site.caller.http.get(f"{PATH}/{made['id']}")).json()
    assert (shown["runs"], shown["running"]) == (1, [])
