"""What is one tenant's is not there for another: every operation that takes an id, out of the OpenAPI documents.

A new operation is covered by itself. A new kind of thing needs a maker in ``Things`` only if it cannot be made by a
POST to the path that its id stands behind.
"""

from __future__ import annotations

import pytest
from conformance.things import NO_TENANTS, Things, all_that_is_shown, asked_of, impersonal, unlike
from sampling import Operation
from served import Callers

from cairn.contracts.json import JsonObject

pytestmark = [
    pytest.mark.parametrize("lasting_url", ["postgresql"], indirect=True, scope="session"),
    pytest.mark.timeout(300),
]


def naming(document: JsonObject, things: Things) -> list[tuple[Operation, set[str]]]:
    """Return the operations that name something in their query or body alone, with the names that are known."""
    known = {name for name in things.known if name.endswith(("_id", "_uuid"))}
    found = []
    for path, item in document["paths"].items():
        for method, operation in item.items() if "{" not in path else ():
            made = Operation(document, path, method, operation)
            names = made.query | (made.body.keys() if isinstance(made.body, dict) else set())
            if "security" in operation and names & known:
                found.append((made, names & known))
    return found


async def test_nothing_of_a_tenant_is_there_for_another(callers: Callers, world) -> None:
    document = (await callers.client().get("/openapi.json")).json()
    owner = await callers.new()
    things = Things(owner, document)
    await things.open()
    strangers = [await callers.new(), await callers.new(owner.tenant, live=False)]
    operations = await asked_of(document, things)
    before = await all_that_is_shown(things, document)
    wrong: set[str] = set()
    for operation, theirs in operations:
        theirs |= {name: things.known[name] for name in operation.query & things.known.keys()}
        several = max(len(ids) for ids in theirs.values())
        for foreign in [{name: ids[n % len(ids)] for name, ids in theirs.items()} for n in range(several)]:
            unknown = {name: unlike(id) for name, id in foreign.items()}
            for stranger in strangers:
                told = impersonal(await operation.send(stranger, foreign), foreign)
                nothing = impersonal(await operation.send(stranger, unknown), unknown)
                if told[0] != 404 or told != nothing:
                    wrong.add(f"{operation}: {told}; of an unknown id {nothing}")
                wrong |= {f"{operation} tells {secret!r}" for secret in things.secrets if secret in told[1]}
    for operation, names in naming(document, things):
        for name in names:
            foreign, unknown = things.known[name][0], unlike(things.known[name][0])
            for stranger in strangers:
                told = impersonal(await operation.send(stranger, {name: foreign}), {name: foreign})
                nothing = impersonal(await operation.send(stranger, {name: unknown}), {name: unknown})
                if told != nothing:
                    wrong.add(f"{operation} with {name}: {told}; of an unknown id {nothing}")
    assert sorted(wrong) == []
    # Every operation with a name in its path was asked but those, and nothing was done to what the owner has.
    every = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item if "{" in path}
    assert every - {str(operation) for operation, _ in operations} == NO_TENANTS.keys()
    assert before == await all_that_is_shown(things, document)
