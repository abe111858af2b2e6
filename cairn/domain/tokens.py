"""How many tokens a text is to a model."""

from __future__ import annotations

import toktok  # pyright: ignore[reportMissingTypeStubs]

ENCODING = "o200k_base"
"""What is counted with: the vocabulary of OpenAI's models since GPT-4o. Other models split texts in ways of their own,
so that for them the number is an estimate."""


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text; the first call takes half a second and some 60 MB for the vocabulary.

    What looks like a special token (``<|endoftext|>``) is counted as the text that it is to a model.
    """
    return toktok.batch_count([text], ENCODING, threads=1)[0]
