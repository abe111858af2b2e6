"""What the offline provider reads out of a prompt and of tools' results, and the texts that it makes of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from cairn.contracts.json import Json, JsonObject

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = re.compile(
    "about|after|all|also|and|any|are|ask|asks|but|can|could|does|down|each|for|from|get|give|gives|given|had|has|have"
    "|how|into|its|let|like|may|more|most|not|one|only|our|out|own|return|should|some|tell|than|that|the|their|them"
    "|then|there|these|they|this|those|use|used|using|was|were|what|when|where|which|who|why|will|with|would|write"
    "|you|your"
)
# What an earlier offline answer says of itself is no material for the next one.
_OWN = re.compile("Offline answer|Asked: |Neither the input nor|Set CAIRN_DEFAULT_MODEL")
_STEM = 6
_SHORTEST, _LONGEST = 25, 400
_KEY_SENTENCES = 5
_NESTING = 20


@dataclass(frozen=True)
class Material:
    """What an answer can be made of.

    Attributes:
        question: the first line of the prompt.
        prompt: all of it.
        objects: every JSON object in tools' results and in the prompt, outermost first.
        sources: a name each, and the sentences that it holds.
    """

    question: str
    prompt: str
    objects: list[JsonObject]
    sources: list[tuple[str, list[str]]]

    @classmethod
    def of(cls, prompt: str, results: Sequence[tuple[str, Json]]) -> Material:
        """Read a prompt and the results of tools, by name."""
        embedded = list(_embedded(prompt))
        values = [value for _, value in results] + embedded
        objects = [each for value in values for each in _objects(value, _NESTING)]
        sources = [(name, sentences(_texts(value)) or [_brief(value)]) for name, value in results if value is not None]
        rest = sentences([line for line in prompt.splitlines()[1:] if line.strip()[:1] not in ("{", "[")])
        sources.append(("the input", [*sentences(text for value in embedded for text in _texts(value)), *rest]))
        return cls(prompt.strip().partition("\n")[0][:_LONGEST], prompt, objects, [s for s in sources if s[1]])

    def key_sentences(self, limit: int) -> list[tuple[str, str]]:
        """Return the sentences that bear most on the question, each with its source, in the order of the text."""
        asked = keywords(self.question)
        everything = [(name, sentence) for name, found in self.sources for sentence in found]
        common = Counter(word for _, sentence in everything for word in keywords(sentence))

        def weight(sentence: str) -> float:
            words = keywords(sentence)
            return 3 * len(words & asked) + sum(common[word] > 1 for word in words) / (1 + len(words))

        best = sorted(range(len(everything)), key=lambda i: (-weight(everything[i][1]), i))[:limit]
        return [everything[i] for i in sorted(best)]


def compose(description: str, material: Material) -> str:
    """Return a text that says what made it, what was asked, and what the sources hold on that."""
    lines = [f"{description}.", "", f"Asked: {material.question}"]
    found = material.key_sentences(_KEY_SENTENCES)
    if not found:
        lines += ["", "Neither the input nor a tool holds more. Set CAIRN_DEFAULT_MODEL to a model for an answer."]
    source = None
    for name, sentence in found:
        if name != source:
            lines += ["", f"From {name}:"]
            source = name
        lines.append(f"- {sentence}")
    return "\n".join(lines)


def keywords(text: str) -> set[str]:
    """Return the beginnings of the words that carry meaning, in lower case."""
    words = _WORD.findall(text.lower())
    return {word[:_STEM].rstrip("s") for word in words if not _STOP.fullmatch(word)}


def sentences(texts: Iterable[str]) -> list[str]:
    """Return the sentences of texts, without headings, list marks, repetitions and scraps."""
    found = (match.strip(" \t*-•#>\"'") for text in texts for match in _SENTENCE.findall(text))
    return list(dict.fromkeys(each for each in found if _SHORTEST <= len(each) <= _LONGEST and not _OWN.match(each)))


def _brief(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)[:_LONGEST]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        # A paragraph's lines belong together.
        yield from (re.sub(r"\s*\n\s*", " ", block) for block in re.split(r"\n\s*\n", value))
    elif isinstance(value, dict):
        for each in cast("JsonObject", value).values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in cast("list[Json]", value):
            yield from _texts(each)


def _objects(value: Json, depth: int) -> Iterator[JsonObject]:
    if depth and isinstance(value, dict):
        found = cast("JsonObject", value)
        yield found
        for each in found.values():
            yield from _objects(each, depth - 1)
    elif depth and isinstance(value, list):
        for each in cast("list[Json]", value):
            yield from _objects(each, depth - 1)


def _embedded(text: str) -> Iterator[Json]:
    """Yield the JSON objects and arrays that a text holds at the beginning of a line or after a colon."""
    decoder, position = json.JSONDecoder(), 0
    for match in re.finditer(r"(?:^|:\s*)([{\[])", text, re.MULTILINE):
        if match.start(1) < position:
            continue
        try:
            value, position = decoder.raw_decode(text, match.start(1))
        except (ValueError, RecursionError):
            continue
        yield value
