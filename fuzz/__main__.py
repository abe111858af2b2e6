"""Feeds the validator, expressions, templates or histories with what coverage leads to: ``make fuzz WHAT=…``.

The same as the property tests look for, but for as long as one likes: nothing but documented refusals may be raised.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cairn.graph", "cairn.temporal.checkpoints", "cairn.temporal.history"]):
    from fuzz import seeds, targets

_CORPUS = Path(".tools/fuzz")
"""What led somewhere new is kept here, for the next time."""


def main() -> None:
    """Fuzz one target; the other arguments are libFuzzer's."""
    name, *options = sys.argv[1:]
    seeds.write(name, _CORPUS / name)
    atheris.Setup([sys.argv[0], *options, str(_CORPUS / name)], targets.BY_NAME[name])
    atheris.Fuzz()


main()
