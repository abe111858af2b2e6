"""A definition as it comes in."""

from __future__ import annotations

import pytest

from cairn.domain.graphs.document import Document
from cairn.errors import InvalidInput


def test_a_budget_may_be_written_with_a_point() -> None:
    read = Document.read({"nodes": [], "edges": [], "limits": {"tokens": 3.0, "steps": 4}})
    assert read.model is not None
    assert (read.model.limits.tokens, read.model.limits.steps) == (3, 4)


@pytest.mark.parametrize("bad", ["../x", "a/../b", "a\x00", "a\x85b", "x" * 256])
@pytest.mark.parametrize("field", ["id", "source", "target"])
def test_an_edge_that_names_what_can_be_no_id_is_refused(field: str, bad: str) -> None:
    edge = {"id": "e", "source": "a", "target": "b", field: bad}
    with pytest.raises(InvalidInput) as refused:
        Document.read({"nodes": [], "edges": [edge]})
    assert [error.pointer for error in refused.value.errors] == [f"/definition/edges/0/{field}"]


@pytest.mark.parametrize("tokens", [0, 2**53 + 1, 1.5, "3", True])
def test_a_budget_that_is_none_is_refused(tokens: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        Document.read({"nodes": [], "edges": [], "limits": {"tokens": tokens}})
    assert refused.value.errors[0].pointer.startswith("/definition/limits/tokens")
