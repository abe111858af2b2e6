"""Flame graphs: shares by package, and no word of the machine on which they were recorded."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "/" + "srv/someone/.venv/lib/python3.11"
PACKAGES = f"{LIBRARY}/site-packages"
LINES = [
    "<module> (cairn/main.py:3);run_forever (asyncio/base_events.py:607);dumps (json/__init__.py:231) 20",
    "<module> (cairn/main.py:3);run_forever (asyncio/base_events.py:607);step (workflows/graph_execution.py:9) 30",
    f"<module> (cairn/main.py:3);validate ({PACKAGES}/pydantic/main.py:70);loads ({LIBRARY}/json/a.py:1) 40",
    "<module> (cairn/main.py:3);run (/" + "srv/someone/bench_tools.py:1) 9",
    "<module> (cairn/main.py:3);rare<&> (temporalio/worker/workflow_sandbox/_runner.py:1) 1",
    " 7",
]


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


def test_a_sample_counts_for_the_innermost_function_that_is_not_pythons_own() -> None:
    from sides.flame import read, shares

    assert shares(read(LINES)) == {
        "pydantic": 0.4,
        "Cairn": 0.3,
        "asyncio": 0.2,
        "the step itself": 0.09,
        "workflow sandbox": 0.01,
    }


def test_the_picture_shows_functions_with_their_share_and_no_folder_of_the_machine() -> None:
    from sides.flame import read, svg

    made = svg("a <worker>", read(LINES))

    assert "srv" not in made
    titles = [each.text for each in ElementTree.fromstring(made).iter("{http://www.w3.org/2000/svg}title")]
    assert "<module> (cairn/main.py): 100.0%" in titles
    assert "validate (pydantic/main.py): 40.0%" in titles
    assert "run (bench_tools.py): 9.0%" in titles
    assert "rare<&> (temporalio/worker/workflow_sandbox/_runner.py): 1.0%" in titles


def test_what_is_rare_is_not_drawn_and_nothing_at_all_can_be_drawn() -> None:
    from sides.flame import read, svg

    assert "rare" not in svg("a worker", read([*LINES, "much (cairn/a.py:1) 1000"]))
    assert ElementTree.fromstring(svg("a worker", read([]))).tag.endswith("svg")
