"""The commands that call the API, against a running ``cairn serve``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from graphs import node, sequence
from servers.gate import Gate

from cairn.cli.demo.installation import Installation
from cairn.ports import find_free

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn

AT_ONCE = 4
RUNS = 50
"""How often; a process that dies of a signal in the interpreter's teardown does so once in some four to twenty-four."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("home"), {"CAIRN_HTTP_ALLOW_PRIVATE": "true"})
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def environment(installation: Installation) -> dict[str, str]:
    return {**os.environ, **installation.environment}


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


def calculating(node_id: str, **data: Any) -> dict[str, Any]:
    arguments = {"expression": f"input.{node_id}"}
    return node(node_id, "tool", tool="calculate", arguments=arguments, output=node_id, **data)


GRAPH = sequence(
    calculating("a"),
    calculating("b"),
    node("end", "end", output={"a": "state.a", "b": "state.b"}),
    state={"a": {"schema": {"type": "number"}}},
)


@pytest.fixture
def publish(cairn: Cairn, tmp_path: Path) -> Callable[..., str]:
    def publish(definition: dict[str, Any] = GRAPH, name: str | None = None) -> str:
        name = name or f"graph-{tmp_path.name}"
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(definition))
        result = cairn("graph", "publish", str(file), "--json")
        assert result.returncode == 0, result.stdout
        return name

    return publish


def document(result: subprocess.CompletedProcess[str], status: int = 0) -> dict[str, Any]:
    assert result.returncode == status, result.stdout + result.stderr
    return json.loads(result.stdout)


class TestPublish:
    def test_the_same_again_changes_nothing_and_another_is_the_next_version(self, cairn: Cairn, tmp_path: Path) -> None:
        file = tmp_path / "sums.json"
        file.write_text(json.dumps(GRAPH))
        first, again = (document(cairn("graph", "publish", str(file), "--json")) for _ in range(2))
        assert (first["name"], first["version_number"], first["version_status"]) == ("sums", 1, "published")
        assert (again["uuid"], again["version_number"]) == (first["uuid"], 1)
        file.write_text(json.dumps(GRAPH | {"viewport": {"zoom": 2}}))
        changed = document(cairn("graph", "publish", str(file), "--json"))
        assert (changed["uuid"], changed["version_number"]) == (first["uuid"], 2)
        other = document(cairn("graph", "publish", str(file), "--name", "other sums", "--json"))
        assert (other["name"], other["version_number"]) == ("other sums", 1)
        assert (
            "other sums: version 1 is published" in cairn("graph", "publish", str(file), "--name", "other sums").stdout
        )

    def test_one_that_is_not_valid_stays_a_draft_until_it_is_mended(self, cairn: Cairn, tmp_path: Path) -> None:
        file = tmp_path / "broken.json"
        file.write_text(json.dumps(GRAPH | {"edges": GRAPH["edges"][1:]}))
        file.write_text(json.dumps({"nodes": GRAPH["nodes"], "edges": [{**GRAPH["edges"][0], "target": "nowhere"}]}))
        result = cairn("graph", "publish", str(file))
        assert result.returncode == 1
        assert "Edge target does not exist: 'nowhere'" in result.stdout
        assert cairn("run", "broken").returncode == 1
        file.write_text(json.dumps(GRAPH))
        assert document(cairn("graph", "publish", str(file), "--json"))["version_status"] == "published"


class TestRun:
    def test_it_follows_to_the_result(self, cairn: Cairn, publish: Callable[..., str]) -> None:
        name = publish()
        result = cairn("run", name, "--input", '{"a": "1 + 1", "b": "3 * 3"}', "--follow")
        assert result.returncode == 0, result.stderr
        lines = [line.split(" s ", 1)[1].split("  ")[0] for line in result.stdout.splitlines() if " s " in line[:12]]
        assert lines[1:3] == ["✓ a", "✓ b"]
        assert lines[-1] == "✓ completed"
        assert '{"a": 2, "b": 9}' in result.stdout

    def test_a_failure_is_told_and_is_the_exit_status(self, cairn: Cairn, publish: Callable[..., str]) -> None:
        name = publish()
        result = cairn("run", name, "-i", '{"a": "1", "b": "1 / 0"}', "-f")
        assert result.returncode == 1
        assert "✗ b" in result.stdout and "division by zero" in result.stdout
        failed = document(cairn("run", name, "-i", '{"a": "1", "b": "1 / 0"}', "-f", "--json"), 1)
        assert (failed["status"], failed["error"]["node_id"]) == ("failed", "b")

    def test_input_comes_from_a_file_and_metadata_are_a_filter(
        self, cairn: Cairn, publish: Callable[..., str], tmp_path: Path
    ) -> None:
        name = publish()
        (tmp_path / "input.json").write_text('{"a": "1", "b": "2"}')
        given = f"@{tmp_path / 'input.json'}"
        made = document(cairn("run", name, "-i", given, "-m", f"who={tmp_path.name}", "--id", "run-1", "--json"))
        assert (made["id"], made["input_data"]) == ("run-1", {"a": "1", "b": "2"})
        found = document(cairn("executions", "list", "-m", f"who={tmp_path.name}", "--workflow", name, "--json"))
        assert [each["id"] for each in found["items"]] == ["run-1"]
        assert "run-1" in cairn("executions", "list", "--workflow", name).stdout
        assert cairn("executions", "list", "--status", "paused").stdout == "No executions.\n"
        taken = cairn("run", name, "-i", given, "--id", "run-1")
        assert (taken.returncode, taken.stderr) == (1, "Error: The execution id 'run-1' is taken\n")

    def test_pages_stay_as_they_are_while_executions_are_added(
        self, cairn: Cairn, publish: Callable[..., str], tmp_path: Path
    ) -> None:
        name, given = publish(), ("-i", '{"a": "1", "b": "2"}', "-m", f"who={tmp_path.name}")
        listing = ("executions", "list", "-m", f"who={tmp_path.name}", "--page-size", "2")
        for number in range(3):
            document(cairn("run", name, *given, "--id", f"page-{number}", "--json"))
        first = document(cairn(*listing, "--json"))
        assert f"2 of 3; --page 2 --anchor {first['anchor']} for more" in cairn(*listing).stdout
        document(cairn("run", name, *given, "--id", "page-3", "--json"))
        next_page = (*listing, "--page", "2", "--anchor", str(first["anchor"]))
        assert [each["id"] for each in first["items"]] == ["page-2", "page-1"]
        assert [each["id"] for each in document(cairn(*next_page, "--json"))["items"]] == ["page-0"]
        assert cairn(*next_page).stdout.endswith("\n1 of 3\n")

    def test_a_pause_ends_following_with_a_status_of_its_own(self, cairn: Cairn, publish: Callable[..., str]) -> None:
        name = publish(sequence(calculating("a"), calculating("b"), limits={"steps": 2}))
        result = cairn("run", name, "-i", '{"a": "1", "b": "2"}', "-f", "--json")
        assert "limit of 2 steps" in document(result, 3)["status_detail"]

    @pytest.mark.timeout(240)
    def test_following_outlives_the_api(
        self, cairn: Cairn, publish: Callable[..., str], gate: Gate, environment: dict[str, str]
    ) -> None:
        name = publish(sequence(calculating("a"), node("wait", "http", url="{{ url }}"), calculating("b")))
        given = json.dumps({"a": "1", "b": "2", "url": gate.url})
        command = [sys.executable, "-m", "cairn", "run", name, "--input", given, "--follow"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
            assert gate.asked.wait(60)
            port = int(environment["CAIRN_API_PORT"])
            (api,) = {
                c.pid for c in psutil.net_connections() if c.laddr[1:] == (port,) and c.status == psutil.CONN_LISTEN
            }
            psutil.Process(api).kill()
            gate.open.set()
            out, _ = following.communicate(timeout=200)
        assert following.returncode == 0, out
        assert [out.count(mark) for mark in ("✓ a", "✓ wait", "✓ b", "✓ completed")] == [1, 1, 1, 1]


class TestResets:
    @pytest.fixture
    def failed(self, cairn: Cairn, publish: Callable[..., str]) -> dict[str, Any]:
        return document(cairn("run", publish(), "-i", '{"a": "1", "b": "1 / 0"}', "-f", "--json"), 1)

    def test_replay_from_a_checkpoint_by_name_with_a_patch(self, cairn: Cairn, failed: dict[str, Any]) -> None:
        result = cairn("executions", "replay", failed["id"], "-c", "a", "--input-patch", '{"b": "7 * 6"}', "-f")
        assert result.returncode == 0, result.stdout + result.stderr
        assert "↶ reset" in result.stdout
        assert "✓ a" not in result.stdout
        assert '{"a": 1, "b": 42}' in result.stdout

    def test_rollback_patch_and_resume(self, cairn: Cairn, failed: dict[str, Any]) -> None:
        start = failed["checkpoints"][0]["id"]
        back = document(cairn("executions", "rollback", failed["id"], "--checkpoint", start, "--json"))
        assert (back["status"], [each["name"] for each in back["checkpoints"]]) == ("paused", ["start"])
        patch = ("--input-patch", '{"a": "2", "b": "3"}', "--expected-revision")
        stale = cairn("executions", "patch", back["id"], *patch, str(back["revision"] + 1))
        assert stale.returncode == 1 and "revision" in stale.stderr
        patched = document(cairn("executions", "patch", back["id"], *patch, str(back["revision"]), "--json"))
        assert patched["input_data"] == {"a": "2", "b": "3"}
        assert document(cairn("executions", "resume", back["id"], "-f", "--json"))["output_data"] == {"a": 2, "b": 3}

    def test_what_a_rollback_would_do_is_shown_done_and_remembered(
        self, cairn: Cairn, publish: Callable[..., str]
    ) -> None:
        undo = {"tool": "calculate", "arguments": {"expression": "'0 - ' + string(result)"}}
        done = document(
            cairn("run", publish(sequence(calculating("a"), calculating("b", compensate=undo), calculating("c"))),
                  "-i", '{"a": "1", "b": "2", "c": "3"}', "-f", "--json")
        )  # fmt: skip
        told = document(cairn("executions", "impact", done["id"], "-c", "a", "--json"))
        assert [each["arguments"] for each in told["compensations"]] == [{"expression": "0 - 2"}]
        assert "is undone" in cairn("executions", "impact", done["id"], "-c", "a").stdout
        back = cairn("executions", "rollback", done["id"], "-c", "a", "--no-reuse")
        assert back.returncode == 0, back.stderr
        assert re.search(r"c +skipped", back.stdout) and re.search(r"b +calculate +done", back.stdout)
        (reset,) = document(cairn("executions", "lineage", done["id"], "--json"))["resets"]
        assert (reset["kind"], reset["checkpoint_name"]) == ("rollback", "a")
        assert re.search(r"rollback +a .* b done", cairn("executions", "lineage", done["id"]).stdout)

    def test_fork_and_diff(self, cairn: Cairn, failed: dict[str, Any]) -> None:
        fork = ("executions", "fork", failed["id"], "-c", "a", "--input-patch", '{"b": "6 * 7"}', "-f", "--json")
        made = document(cairn(*fork))
        assert made["output_data"] == {"a": 1, "b": 42}
        assert made["forked_from"] == {"execution_id": failed["id"], "checkpoint_id": failed["checkpoints"][1]["id"]}
        assert failed["id"] in cairn("executions", "lineage", made["id"]).stdout
        changed = document(cairn("executions", "diff", made["id"], "start", "b", "--json"))
        assert {"op": "add", "path": "/state/b", "value": 42} in changed["patch"]
        assert [each["node_id"] for each in changed["completed"]] == ["b"]
        assert "/state/b 42" in cairn("executions", "diff", made["id"], "start", "b").stdout

    def test_show_tells_what_a_checkpoint_knew(self, cairn: Cairn, failed: dict[str, Any]) -> None:
        shown = cairn("executions", "show", failed["id"]).stdout
        assert failed["checkpoints"][1]["id"] in shown and "division by zero" in shown
        by_name = document(cairn("executions", "show", failed["id"], "-c", "a", "--json"))
        by_id = document(cairn("executions", "show", failed["id"], "-c", failed["checkpoints"][1]["id"], "--json"))
        assert by_name == by_id
        assert by_name["state"] == {"a": 1}
        assert '{"a": 1}' in cairn("executions", "show", failed["id"], "-c", "a").stdout
        assert cairn("executions", "show", failed["id"], "-c", "nothing").returncode == 1

    def test_a_paused_one_goes_on_by_another_version(
        self, cairn: Cairn, publish: Callable[..., str], tmp_path: Path
    ) -> None:
        graph = sequence(calculating("a"), calculating("b"), limits={"steps": 2})
        name = publish(graph)
        paused = document(cairn("run", name, "-i", '{"a": "1", "b": "2"}', "-f", "--json"), 3)
        publish({**graph, "limits": {"steps": 20}}, name)
        to = ("executions", "migrate", paused["id"], "--version")
        assert document(cairn(*to, "9", "--json"), 1)["error"]["code"] == "version_not_found"
        moved = document(cairn(*to, "2", "--expected-revision", str(paused["revision"]), "--json"))
        assert (moved["status"], moved["version"]) == ("paused", 2)
        assert cairn("executions", "resume", paused["id"], "-f").returncode == 0

    def test_a_running_one_is_paused_resumed_replayed_by_force_and_cancelled(
        self, cairn: Cairn, publish: Callable[..., str], gate: Gate
    ) -> None:
        name = publish(sequence(calculating("a"), node("wait", "http", url="{{ url }}"), calculating("b")))
        given = json.dumps({"a": "1", "b": "2", "url": gate.url})
        running = document(cairn("run", name, "-i", given, "--json"))["id"]
        assert gate.asked.wait(30)
        assert document(cairn("executions", "pause", running, "--json"))["status"] == "paused"
        assert document(cairn("executions", "resume", running, "--json"))["status"] == "running"
        refused = cairn("executions", "replay", running, "-c", "a", "--json")
        assert document(refused, 1)["error"]["code"] == "execution_running"
        assert document(cairn("executions", "replay", running, "-c", "a", "--force", "--json"))["status"] == "running"
        document(cairn("executions", "cancel", running, "--json"))
        assert document(cairn("executions", "show", running, "-f", "--json"), 1)["status"] == "cancelled"


def test_a_schedule_is_made_changed_and_deleted(cairn: Cairn, publish: Callable[..., str]) -> None:
    made = document(cairn("schedules", "create", publish(), "--cron", "@yearly", "--paused", "--name", "one", "--json"))
    change = ("--every", "3600", "--overlap", "buffer_one", "--pause-on-failure", "--json")
    changed = document(cairn("schedules", "update", made["id"], *change))
    assert (changed["spec"]["interval"], changed["spec"]["cron"]) == (
        {"every_seconds": 3600, "offset_seconds": 0},
        None,
    )
    assert (changed["name"], changed["overlap"], changed["pause_on_failure"]) == ("one", "buffer_one", True)
    assert changed["paused"]
    assert "every 3600 s" in cairn("schedules", "show", made["id"]).stdout
    assert document(cairn("schedules", "delete", made["id"], "--json"))["deleted"]


class TestErrors:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("run", "g", "--input", "{"),
            ("run", "g", "--input", "[1]"),
            ("run", "g", "--input", "@/nowhere.json"),
            ("run", "g", "--input", '{"a": NaN}'),
            ("run", "g", "--metadata", "novalue"),
            ("executions", "replay", "x"),
            ("executions", "list", "--page-size", "101"),
            ("executions", "show"),
            ("nonsense",),
        ],
    )
    def test_wrong_usage_is_status_2(self, cairn: Cairn, arguments: tuple[str, ...]) -> None:
        assert cairn(*arguments).returncode == 2

    def test_what_the_api_refuses_is_status_1_with_its_reason(self, cairn: Cairn, publish: Callable[..., str]) -> None:
        unknown = document(cairn("executions", "show", "no such?one", "--json"), 1)
        assert unknown["error"]["code"] == "execution_not_found"
        assert cairn("executions", "list", "--status", "odd").returncode == 1
        assert "There is no graph 'nothing'" in cairn("run", "nothing").stderr
        schema = {"type": "object", "required": ["a"]}
        name = publish(GRAPH | {"input_schema": schema})
        result = cairn("run", name, "-i", "{}")
        assert result.returncode == 1
        assert "/input_data" in result.stderr

    def test_a_wrong_key_is_told(self, cairn: Cairn, environment: dict[str, str]) -> None:
        environment["CAIRN_API_KEY"] = "omium_wrong"
        assert document(cairn("executions", "list", "--json"), 1)["error"]["code"] == "unauthenticated"

    def test_an_api_that_is_not_there_is_told_with_what_to_do(
        self, cairn: Cairn, environment: dict[str, str], tmp_path: Path
    ) -> None:
        environment["CAIRN_API_URL"] = f"http://127.0.0.1:{find_free()}"
        result = cairn("executions", "list")
        assert result.returncode == 1
        assert environment["CAIRN_API_URL"] in result.stderr and "cairn serve" in result.stderr
        assert document(cairn("run", "g", "--json"), 1)["error"]["code"] == "api_unreachable"
        environment["CAIRN_API_URL"] = "not a url"
        assert cairn("executions", "list").returncode == 1
        environment["CAIRN_HOME"] = str(tmp_path)
        assert "CAIRN_API_KEY" in cairn("executions", "list").stderr


def run_all(expected: list[tuple[list[str], int]], environment: dict[str, str]) -> None:
    """Run commands, some at a time; each has to end with its status."""

    def run(each: tuple[list[str], int]) -> str | None:
        command, status = each
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        return None if done.returncode == status else f"{done.returncode}: {done.stdout}{done.stderr}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert [wrong for wrong in pool.map(run, expected) if wrong] == []


@pytest.mark.timeout(600)
def test_every_list_ends_with_the_right_status(environment: dict[str, str]) -> None:
    listing = [sys.executable, "-m", "cairn", "executions", "list"]
    refused = [*listing, "--status", "odd"]
    run_all([(refused, 1) if run % 5 == 0 else (listing, 0) for run in range(RUNS)], environment)


@pytest.mark.timeout(600)
def test_every_run_of_one_test_ends_with_the_right_status(environment: dict[str, str], tmp_path: Path) -> None:
    test = tmp_path / "test_one.py"
    test.write_text(
        "import faulthandler\n"
        "from temporalio.client import Client\n"
        "async def test_one():\n"
        "    faulthandler.dump_traceback_later(100, exit=True)\n"  # tells where one hangs that does not end
        f"    client = await Client.connect('127.0.0.1:{environment['CAIRN_TEMPORAL_PORT']}')\n"
        "    assert await client.service_client.check_health()\n"
        "def test_two(): assert 0\n"
    )
    root = Path(__file__).parents[2]
    options = ["-q", "-p", "no:cacheprovider", "-c", str(root / "pyproject.toml"), f"--rootdir={root}"]
    # Plugins that this one test has no use for would cost each run three seconds.
    options += ["-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:xdist"]
    options += ["-p", "tests.conftest", f"--confcutdir={tmp_path}"]
    command = [sys.executable, "-m", "pytest", *options]
    passing, failing = ([*command, f"{test}::{name}"] for name in ("test_one", "test_two"))
    variables = {**environment, "PYTHONPATH": str(root)}
    run_all([(failing, 1) if run % 5 == 0 else (passing, 0) for run in range(RUNS)], variables)
