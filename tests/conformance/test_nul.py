"""Text with NUL, which PostgreSQL takes in none, at every place of every body: kept or refused, as documented.

Out of the OpenAPI document. Its promises are tried without NUL (``tests/api/test_openapi.py``): a schema that allows a
text cannot say that this one character is refused.
"""

from __future__ import annotations

import pytest
from conformance.things import asked_of, things_of
from sampling import Operation
from served import Callers

NUL = "a\0b"

pytestmark = [
    pytest.mark.parametrize("lasting_url", ["postgresql"], indirect=True, scope="session"),
    pytest.mark.timeout(300),
]


async def test_text_with_nul_is_kept_or_refused_as_the_document_says(callers: Callers, world) -> None:
    document = (await callers.client().get("/openapi.json")).json()
    things = await things_of(callers, document)
    named = {(each.method, each.path): (each, ids) for each, ids in await asked_of(document, things)}
    wrong, told = set[str](), set[int]()
    for path, item in document["paths"].items():
        for method, each in item.items():
            operation, ids = named.get((method, path)) or (Operation(document, path, method, each), {})
            if "{" in path and not ids:
                continue  # is not asked with a key
            for place in sorted(operation.sampler.members(each)):
                own = {name: known[0] for name, known in ids.items()}
                reply = await operation.ask(things.owner, own, operation.with_member(place, NUL))
                told.add(reply.status_code)
                if str(reply.status_code) not in each["responses"] or reply.status_code >= 500:
                    wrong.add(f"{operation} with NUL in {'.'.join(place)}: {reply.status_code} {reply.text[:200]}")
    assert not wrong, "\n".join(sorted(wrong))
    assert {200, 201, 422} <= told
