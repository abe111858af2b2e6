"""What fuzzing begins with leads past the refusals at the door, and is taken by what is fuzzed."""

from __future__ import annotations

import pytest

from cairn.contracts.json import parse
from cairn.graph.expressions import ExpressionError, compile_expression
from cairn.graph.model import Definition
from cairn.graph.templates import compile_text
from fuzz import seeds, targets
from fuzz.histories import HISTORIES


@pytest.mark.parametrize("name", targets.BY_NAME)
def test_each_target_takes_its_seeds(name: str) -> None:
    given = list(seeds.BY_NAME[name]())
    assert len(set(given)) > 10
    for seed in given:
        targets.BY_NAME[name](seed)


def test_the_seeds_are_what_they_are_called() -> None:
    for seed in seeds.validator():
        assert Definition.model_validate(parse(seed.decode())).nodes
    for seed in seeds.templates():
        compile_text(seed.decode())
    refused = 0
    for seed in seeds.expressions():
        try:
            compile_expression(seed.decode())
        except ExpressionError:  # of what stands in a map alone
            refused += 1
    assert refused < 5
    assert {seed[0] for seed in seeds.projection()} == set(range(len(HISTORIES)))
