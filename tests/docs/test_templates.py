"""The guide to templates shows each of them with an example that the suite runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cairn.domain.templates import templates

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()


def test_each_template_is_told_with_its_example() -> None:
    examples = [json.loads(text) for text in re.findall(r"^```json example\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    shown = ("input", "initial_context", "utterances")
    assert examples == [{key: each.example[key] for key in shown if key in each.example} for each in templates()]
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert headings == [*(each.template_id for each in templates()), "From a description"]
    for each in templates():
        assert each.template_description in PAGE and each.field in PAGE
