"""The built-in templates, each a file in ``builtin``."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from cairn.contracts.json import JsonObject
from cairn.errors import NotFound


@dataclass(frozen=True, slots=True)
class Template:
    """A template.

    Attributes:
        id: number.
        template_id: name by which it is copied, for example ``inbound-support``.
        field: what kind of work it is for.
        template_json: the definition.
        example: what an execution of it can be begun with: ``input``, or ``initial_context`` and ``utterances``.
    """

    id: int
    template_id: str
    template_name: str
    template_description: str
    field: str
    template_json: JsonObject
    example: JsonObject
    created_at: datetime

    def definition(self) -> JsonObject:
        """Return a copy of the definition."""
        return copy.deepcopy(self.template_json)


@cache
def templates() -> tuple[Template, ...]:
    """Return all templates, by number."""
    folder = files("cairn.domain.templates") / "builtin"
    found = [_read(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".json")]
    return tuple(sorted(found, key=lambda template: template.id))


def _read(text: str) -> Template:
    members: JsonObject = json.loads(text)
    members["created_at"] = datetime.fromisoformat(members["created_at"])
    return Template(**members)


def find_template(template_id: str) -> Template:
    """Return a template by its name.

    Raises:
        NotFound: there is none (``template_not_found``).
    """
    for template in templates():
        if template.template_id == template_id:
            return template
    raise NotFound("No such template.", code="template_not_found")
