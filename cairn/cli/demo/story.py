"""What the demo does, by the HTTP API alone: start, fail, replay, roll back, change, resume."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding

from cairn.cli.client import ApiClient, execution_path
from cairn.cli.demo.review import ReviewService
from cairn.cli.follow import MARKS, follow
from cairn.cli.timeline import Line, timeline
from cairn.errors import CairnError

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject

INPUT: JsonObject = {
    "topic": "durable agents",
    "questions": ["How does an agent survive a crash?", "Why do retries need idempotency keys?"],
}
CHANGE: JsonObject = {"questions": ["When is a rollback better than a replay?"], "audience": "operators"}

_LINE_STYLES = ("cyan", "magenta", "blue")
_EXECUTIONS = "/api/v1/executions"
_WORKFLOWS = "/api/v1/workflow"


class WentOtherwise(CairnError):
    """The demo did not go as it should."""

    code = "demo_failed"


@dataclass
class Story:
    """Tells it.

    Attributes:
        client: of the API.
        review: the service that the graph asks.
        console: where it is shown.
        lines: the execution's lines so far.
    """

    client: ApiClient
    review: ReviewService
    console: Console
    lines: list[Line] = field(default_factory=list[Line])

    def tell(self) -> JsonObject:
        """Tell it all and return the execution as it is in the end.

        Raises:
            WentOtherwise: an execution or a reset ended otherwise than it should.
        """
        execution_id = self._start(self._publish())
        self._fails(execution_id)
        self._replay(execution_id)
        self._rollback(execution_id)
        done = self._resume(execution_id)
        self._picture(done)
        return done

    def _publish(self) -> str:
        self._title("Publish a graph")
        definition = json.loads(files(__package__ or "").joinpath("research.json").read_text("utf-8"))
        body = {"name": "research", "definition": definition}
        made: JsonObject = self._call("POST", f"{_WORKFLOWS}/create/definition", body, "examples/research.json")
        if made["errors"]:
            raise WentOtherwise(f"The graph is not valid: {made['errors'][0]['message']}")
        self._say(f"version {made['version_number']} is published, with {made['node_count']} nodes")
        return str(made["uuid"])

    def _start(self, workflow: str) -> str:
        self._title("Start an execution of it")
        body: JsonObject = {"workflow_id": workflow, "execution_id": "research-1"}
        body |= {"input_data": {**INPUT, "review_url": self.review.url}}
        made: JsonObject = self._call("POST", _EXECUTIONS, body, json.dumps(INPUT))
        return str(made["id"])

    def _fails(self, execution_id: str) -> None:
        now = self._follow(execution_id, "failed")
        error = now["error"]
        self._line("first run", now, f"{error['code']} at {error['node_id']}")
        self._say(f"Its node {error['node_id']!r} failed for good, at attempt {error['attempt']}.")

    def _replay(self, execution_id: str) -> None:
        self._title("Repair the service, replay from the checkpoint before the failure")
        before, asked = self._get(execution_id), len(self.review.calls)
        self.review.repair()
        self._call("POST", execution_path(execution_id, "replay"), {"checkpoint_name": "Report"})
        now = self._follow(execution_id, "completed")
        self._line("replay from Report", now, "completed")
        kept = sum(each in now["checkpoints"] for each in before["checkpoints"])
        self._say(f"{kept} checkpoints were kept; only what comes after them ran again.")
        keys = [key for key, _ in self.review.calls]
        self._say(
            f"The service saw {asked} attempts with one idempotency key, then the replay with another: "
            f"{len(keys)} requests, {len(set(keys))} keys."
        )

    def _rollback(self, execution_id: str) -> None:
        self._title("Roll back to an earlier checkpoint")
        before = self._get(execution_id)
        self._call("POST", execution_path(execution_id, "rollback"), {"checkpoint_name": "Plan"})
        now = self._get(execution_id)
        if now["status"] != "paused" or now["output_data"] is not None:
            raise WentOtherwise(f"The execution is {now['status']} after the rollback.")
        gone = len(before["checkpoints"]) - len(now["checkpoints"])
        at = now["checkpoints"][-1]["name"]
        self._say(
            f"{MARKS['paused'][0]} paused at {at!r}, revision {now['revision']}; {gone} later checkpoints are gone"
        )

    def _resume(self, execution_id: str) -> JsonObject:
        self._title("Change what it works on, and resume")
        self._call("PATCH", execution_path(execution_id), {"input_patch": CHANGE})
        self._call("POST", execution_path(execution_id, "resume"), {})
        now = self._follow(execution_id, "completed")
        self._line("rollback to Plan", now, "completed")
        return now

    def _picture(self, done: JsonObject) -> None:
        self._title("The result")
        report = str(done["output_data"]["report"])
        self.console.print(Padding(report.strip(), (0, 2)), highlight=False, markup=False)
        self._say(f"The review says: {done['output_data']['review']['remarks']}")
        self._title("Its checkpoints: one execution, three lines")
        self.console.print(Padding(timeline(self.lines, self.console.width - 4), (0, 2)))

    def _follow(self, execution_id: str, expected: str) -> JsonObject:
        lineage = self._get(execution_id)["temporal"]["run_id"]
        status = follow(self.client, execution_id, self.console, lineage)
        now = self._get(execution_id)
        if status != expected:
            raise WentOtherwise(f"The execution is {status}, not {expected}: {now['error'] or now['status_detail']}")
        return now

    def _get(self, execution_id: str) -> JsonObject:
        now: JsonObject = self.client.get(execution_path(execution_id))
        return now

    def _call(self, method: str, path: str, body: JsonObject, shown: str | None = None) -> JsonObject:
        self.console.print(f"[bold]{method}[/bold] {path}  [dim]{shown or json.dumps(body)}[/dim]", soft_wrap=True)
        reply: JsonObject = self.client.send(method, path, body)
        return reply

    def _line(self, title: str, now: JsonObject, end: str) -> None:
        mark, style = MARKS[now["status"]]
        checkpoints = [(each["id"], each["name"]) for each in now["checkpoints"]]
        self.lines.append(Line(title, checkpoints, (mark, end, style), _LINE_STYLES[len(self.lines)]))

    def _title(self, text: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{text}", align="left", style="dim")

    def _say(self, text: str) -> None:
        self.console.print(f"  {text}", markup=False)
