"""What the busiest requests ask the database: each statement is a way to the server and back."""

from __future__ import annotations

from graphs import sequence
from installation import Cairn
from served import Callers, served
from statements import statements


async def test_a_start_asks_four_things_of_the_database(idle_cairn: Cairn) -> None:
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        body = {"workflow_id": (await caller.publish(sequence()))["uuid"], "input_data": {}}
        await caller.http.post("/api/v1/executions", json=body)  # the definition is known from here on
        with statements() as made:
            reply = await caller.http.post("/api/v1/executions", json=body)
        with statements() as listed:
            page = (await caller.http.get("/api/v1/executions")).json()
        await callers.close()
    assert made == ["SELECT api_keys", "SELECT graphs", "INSERT executions", "UPDATE executions"]
    assert listed == ["SELECT api_keys", "SELECT executions", "SELECT executions"]
    told = reply.json()
    assert (told["status"], told["status_detail"]) == ("running", None)
    assert page["items"][0] == told
