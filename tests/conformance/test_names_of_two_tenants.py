"""A path with several names of which one is another tenant's: as with a name that nobody has, whichever it is.

Out of the OpenAPI document, so that a new operation is covered by itself.
"""

from __future__ import annotations

import pytest
from conformance.things import Things, all_that_is_shown, asked_of, impersonal, things_of, unlike
from graphs import noting, sequence
from sampling import Operation
from served import Caller, Callers

pytestmark = [
    pytest.mark.parametrize("lasting_url", ["postgresql"], indirect=True, scope="session"),
    pytest.mark.timeout(300),
]


async def test_one_name_of_anothers_beside_ones_own_leads_nowhere(callers: Callers, world) -> None:
    document = (await callers.client().get("/openapi.json")).json()
    owner, stranger = await things_of(callers, document), await things_of(callers, document, "own")
    await again(owner)
    several = [(operation, ids) for operation, ids in await asked_of(document, owner) if len(ids) > 1]
    before = await all_that_is_shown(owner, document)
    wrong: set[str] = set()
    # What removes something comes last, and of that first what is farther below: all of them find what they name.
    for operation, theirs in sorted(several, key=lambda each: (each[0].method == "delete", -each[0].path.count("/"))):
        own = {name: (await stranger.ids(operation.path, name))[0] for name in theirs}
        for foreign in [{**own, name: id} for name, ids in theirs.items() for id in ids]:
            (name,) = foreign.items() - own.items()
            told = await asked(operation, stranger.owner, foreign, name[1])
            nothing = await asked(operation, stranger.owner, {**foreign, name[0]: unlike(name[1])}, unlike(name[1]))
            if told[0] != 404 or told != nothing:
                wrong.add(f"{operation} with another's {name[0]}: {told}; with an unknown one {nothing}")
            wrong |= {f"{operation} tells {secret!r}" for secret in owner.secrets if secret in told[1]}
        if (reply := await operation.send(stranger.owner, own)).status_code in (404, 405, 500):
            wrong.add(f"{operation} with all that is one's own: {reply.status_code} {reply.text}")
    assert {names for _, ids in several for names in ids} >= {
        "checkpoint_id",
        "subagent_id",
        "cache_id",
        "version",
        "b",
    }
    assert not wrong, "\n".join(sorted(wrong))
    assert before == await all_that_is_shown(owner, document)


async def again(things: Things) -> None:
    """Give the owner's graph the version that only it has."""
    (workflow, _) = things.known["workflow_id"]
    body = {"definition": sequence(noting("b"))}
    changed = await things.owner.http.put(f"/api/v1/workflow/{workflow}", json=body)
    assert changed.is_success, changed.text
    things.known |= {name: ["2"] for name in ("version", "a", "b")}


async def asked(operation: Operation, caller: Caller, ids: dict[str, str], named: str) -> tuple[int, str]:
    return impersonal(await operation.send(caller, ids), {"id": named})
