"""The worker is killed (-9) in the middle of a map: another one ends it, each item once."""

from __future__ import annotations

import pytest
from crash.conftest import holding
from crash.site import SOON, Site, new_key
from graphs import node, sequence

from chaos.programs import until


@pytest.mark.timeout(180)
async def test_a_map_whose_worker_dies_runs_each_item_once(site: Site) -> None:
    gate, items = new_key(), [f"{new_key()}-{number}" for number in range(6)]
    spend = node("spend", "tool", tool="spend", arguments={"name": "item", "seconds": "0.0"})
    body = sequence(spend, holding("held", gate), node("end", "end", output={"got": "item"}))
    above = sequence(
        node("each", "map", items="input.items", body=body, concurrency=2),
        node("end", "end", output={"got": "outputs.each"}),
    )
    execution = await site.start(above, input_data={"items": items})
    await until(lambda: len(held(site, items)) >= 2, SOON, "two items under way")
    await site.worker.kill()
    site.ledger.open(gate)
    await site.restart(site.worker)
    done = await site.reach(execution, "completed")
    assert [each["got"] for each in done["output_data"]["got"]] == items
    effects = [e for e in site.ledger.read() if e.what == "effect" and e.name in items]
    assert sorted(e.name for e in effects) == sorted(items)
    counted = (await site.caller.http.get(f"/api/v1/executions/{execution}")).json()["children"]["each"]
    assert (counted["total"], counted["completed"]) == (6, 6)


def held(site: Site, items: list[str]) -> set[str]:
    """Return the executions of these items that stand at the gate."""
    ours = {e.execution_id for e in site.ledger.read() if e.name in items}
    return {e.execution_id for e in site.ledger.read() if e.name == "held" and e.execution_id in ours}
