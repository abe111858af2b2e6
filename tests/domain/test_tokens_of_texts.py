"""Tokens are counted as the models' own tokenizer counts them."""

from __future__ import annotations

import pytest

from cairn.domain.tokens import count_tokens


# Counted with tiktoken 0.14 and its vocabulary o200k_base.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello world", 2), ("<|endoftext|> hi", 8), ("A" * 1_000_000, 125_000), ("é漢字🗿" * 1000, 6000)],
    ids=lambda value: str(value)[:12],
)
def test_a_text_has_so_many_tokens(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens
