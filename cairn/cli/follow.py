"""Live progress of an execution: a line for whatever has happened, below them what is under way."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cairn.cli.client import ApiClient, execution_path, is_terminal

if TYPE_CHECKING:
    from types import TracebackType

    from cairn.contracts.json import JsonObject

EXIT_STATUS = {"completed": 0, "failed": 1, "cancelled": 1, "paused": 3}
"""Exit status of a command that follows an execution to its end, or to a pause that it does not leave by itself."""

MARKS = {
    "running": ("▶", "cyan"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "paused": ("⏸", "yellow"),
}
_NAME_WIDTH = 28

_Key = tuple[str, int, str]
"""Names work: node, visit, and the turn or the tool call of an agent."""


def follow(client: ApiClient, execution_id: str, console: Console | None, lineage: str | None = None) -> str:
    """Follow an execution until it has ended, or is paused; return its status.

    Args:
        client: of the API.
        execution_id: the execution.
        console: shows the progress; None shows nothing.
        lineage: show the events of this line alone; None: all, from the first on.
    """
    with Progress(console or Console(quiet=True)) as progress:
        for event in client.events(execution_id):
            shown = lineage is None or event["lineage"] == lineage
            if shown:
                progress.take(event)
            if is_terminal(event):
                return str(event["data"]["status"])
            if shown and event["type"] == "status" and event["data"]["status"] == "paused":
                # A replay is paused for a moment, and one in the past may have been resumed long ago.
                now: JsonObject = client.get(execution_path(execution_id))
                if now["status"] == "paused":
                    return "paused"
    raise AssertionError("a stream ends with a terminal status")


class Progress:
    """Shows events. What is under way is shown on a terminal only."""

    def __init__(self, console: Console) -> None:
        """Take where to show them."""
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=console.is_terminal)
        self._running: dict[_Key, tuple[datetime, Spinner]] = {}
        self._begun: datetime | None = None

    def __enter__(self) -> Progress:
        """Begin to show what is under way."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the lines, take away what is under way."""
        self._live.stop()

    def take(self, event: JsonObject) -> None:
        """Show one event."""
        at = datetime.fromisoformat(event["at"])
        self._begun = self._begun or at
        data: dict[str, Any] = event["data"]
        key = (str(event.get("node_id")), int(data.get("visit", 0)), str(data.get("call", "")))
        match event["type"]:
            case "node_started":
                spinner = Spinner("dots", Text(_node_name(data), style="cyan"), style="cyan")
                self._running[key] = (at, spinner)
            case "node_completed":
                self._line(at, "✓", "green", _node_name(data), self._took(key, at, data))
            case "node_failed":
                self._line(at, "✗", "red", _node_name(data), f"{self._took(key, at, data)}  {data['code']}")
                self._console.print(Text(f"{'':>13}{data['message']}", style="red"), soft_wrap=True)
            case "reset":
                self._running.clear()
                self._line(at, "↶", "magenta", "reset to a checkpoint", f"revision {data['revision']}")
            case "status":
                mark, style = MARKS.get(data["status"], ("·", "white"))
                self._line(at, mark, style, data["status"], "" if data["status"] == "failed" else data["detail"] or "")
            case _:
                pass
        if self._console.is_terminal:
            self._live.update(Group(*(spinner for _, spinner in self._running.values())), refresh=True)

    def _line(self, at: datetime, mark: str, style: str, name: str, rest: str) -> None:
        begun = self._begun or at
        line = Text(f"{(at - begun).total_seconds():8.1f} s ", style="dim")
        line.append(f"{mark} {name:<{_NAME_WIDTH}}", style=style)
        line.append(f" {rest}", style="dim")
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def _took(self, key: _Key, at: datetime, data: dict[str, Any]) -> str:
        begun, _ = self._running.pop(key, (None, None))
        took = "" if begun is None else f"{(at - begun).total_seconds():6.2f} s"
        return took if data.get("attempt", 1) == 1 else f"{took}  attempt {data['attempt']}"


def _node_name(data: dict[str, Any]) -> str:
    name = f"{data['name']}: {data['tool']}" if "tool" in data else str(data["name"])
    return name if data["visit"] == 1 else f"{name} (visit {data['visit']})"
