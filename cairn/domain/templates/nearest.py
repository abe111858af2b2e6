"""A graph for a description without a language model: the template that shares most words with it, filled."""

from __future__ import annotations

import re
from collections import Counter
from math import log

from cairn.contracts.json import JsonObject
from cairn.domain.templates.model import Template, templates
from cairn.providers.llm.offline_text import keywords

_PROMPTS = {"globalNode": "prompt", "startCall": "prompt", "agent": "system"}
_LONGEST = 2000


def fill_nearest(description: str) -> tuple[Template, JsonObject]:
    """Return the nearest template, and its definition with the description in the prompts of its agents."""
    template = _nearest(description)
    definition = template.definition()
    _tell(definition, f"What is asked of you: {_literal(description[:_LONGEST])}")
    return template, definition


def _tell(definition: JsonObject, purpose: str) -> None:
    kinds = {node["type"] for node in definition["nodes"]}
    for node in definition["nodes"]:
        # The Global Node's prompt goes before those of the others.
        member = None if node["type"] == "startCall" and "globalNode" in kinds else _PROMPTS.get(node["type"])
        if member is not None:
            node["data"][member] = "\n\n".join(filter(None, (node["data"].get(member), purpose)))
        elif node["type"] == "map":
            _tell(node["data"]["body"], purpose)


def _nearest(description: str) -> Template:
    wanted = keywords(description)
    words = {each.template_id: keywords(_about(each)) for each in templates()}
    holders = Counter(word for found in words.values() for word in found)

    def likeness(template: Template) -> float:
        shared = wanted & words[template.template_id]
        # A word that few templates have says more than one that all have.
        return sum(1 + log(len(words) / holders[word]) for word in shared)

    return max(templates(), key=lambda template: (likeness(template), -template.id))


def _about(template: Template) -> str:
    names = " ".join(node["data"]["name"] for node in template.template_json["nodes"])
    return f"{template.template_name} {template.field} {template.template_description} {names}"


def _literal(text: str) -> str:
    """Return the text so that a template says it as it is, and does nothing that it asks for."""
    return re.sub(r"\{(?=[{%#])", "{ ", text)
