"""Completions and recommendations without a language model."""

from __future__ import annotations

import pytest

from cairn.domain.llm.suggestions import complete_by_words, recommend_by_words


@pytest.mark.parametrize(
    ("before", "first"),
    [
        ("We thank you for your patience. Again, we thank you for ", "your patience"),
        ("We thank you for your patience. Again, we thank you for", " your patience"),
        ("The experiment failed. We repeat the exper", "iment"),
    ],
)
def test_a_text_goes_on_as_it_did_before(before: str, first: str) -> None:
    found = complete_by_words(before, 3)
    assert found[0].text == first and 0 < found[0].score <= 1


def test_there_is_nothing_to_go_on_with() -> None:
    for text in ("", "Hello", "Every word is new here", "?!"):
        assert complete_by_words(text, 3) == []


def test_so_many_at_most() -> None:
    assert len(complete_by_words("to a. to b. to c. to d. to ", 2)) == 2


def test_items_that_share_words_come_first() -> None:
    found = recommend_by_words("A museum for a rainy day", ["open-air pool", {"name": "science museum"}, "zoo"], 2)
    assert [each.item for each in found] == [{"name": "science museum"}, "open-air pool"]
    assert found[0].score > 0 and "museum" in found[0].reason and found[1].score == 0
