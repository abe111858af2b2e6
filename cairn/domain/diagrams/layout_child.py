"""Lays a graph out by Graphviz, in a process of its own: it reads sizes from stdin and writes places to stdout.

Graphviz is C and keeps the process busy; whoever started it ends it when it takes too long. No text of an author comes
here, only numbers.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

_MEMORY = 2 * 1024**3
_SECONDS = 60


def main() -> None:
    """Read a request, write the reply."""
    _limit()
    request = json.load(sys.stdin)
    json.dump(lay_out(request["boxes"], request["arrows"], request["options"]), sys.stdout)


def lay_out(
    boxes: list[tuple[float, float]], arrows: list[tuple[int, int, float, float]], options: dict[str, str]
) -> dict[str, Any]:
    """Return where boxes and arrows go.

    Args:
        boxes: width and height of each, in points.
        arrows: indexes of both boxes, width and height of the label (0 for none).
        options: attributes of Graphviz's graph.
    """
    import pygraphviz  # pyright: ignore[reportMissingTypeStubs]

    graph: Any = pygraphviz.AGraph(directed=True, strict=False, **options)
    graph.node_attr.update(shape="box", fixedsize="true", label="", margin="0")
    for at, (width, height) in enumerate(boxes):
        graph.add_node(f"n{at}", width=f"{width / 72:.4f}", height=f"{height / 72:.4f}")
    for at, (source, target, width, height) in enumerate(arrows):
        label = (
            f'<<TABLE BORDER="0" FIXEDSIZE="TRUE" WIDTH="{width:.0f}" HEIGHT="{height:.0f}"><TR><TD></TD></TR></TABLE>>'
        )
        more = {"label": label} if width else {}
        graph.add_edge(f"n{source}", f"n{target}", key=str(at), id=f"e{at}", **more)
    drawn = json.loads(graph.draw(format="json0", prog="dot"))
    placed = {each["name"]: each["pos"] for each in drawn.get("objects", [])}
    edges = {each["id"]: each for each in drawn.get("edges", [])}
    return {
        "size": [float(each) for each in drawn["bb"].split(",")[2:]],
        "boxes": [placed[f"n{at}"] for at in range(len(boxes))],
        "arrows": [[edges[f"e{at}"]["pos"], edges[f"e{at}"].get("lp")] for at in range(len(arrows))],
    }


def _limit() -> None:
    """Bound what this process may use; only where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


if __name__ == "__main__":
    main()
