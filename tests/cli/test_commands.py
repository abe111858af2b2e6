"""The commands that need no server."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from cairn import __version__
from cairn.cli.app import app
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.server import DevServer, claim_database

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn


@pytest.fixture
def foreign_server() -> Iterator[int]:
    """Run an HTTP server that is not Cairn's, and return its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def every_command(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if not hasattr(group, "commands"):
        return [(path, group)]
    return [found for name, command in group.commands.items() for found in every_command(command, (*path, name))]


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*pair, id=" ".join(pair[0])) for pair in every_command(typer.main.get_command(app))],
)
def test_every_command_has_json_and_says_what_it_does(path: tuple[str, ...], command: Any) -> None:
    assert command.help
    assert any("--json" in parameter.opts for parameter in command.params), f"cairn {' '.join(path)}"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, cairn.cli.app\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "heavy = loaded & {'pydantic', 'temporalio', 'sqlalchemy', 'fastapi', 'httpx2', 'opentelemetry'}\n"
        "sys.exit(' '.join(heavy) or 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_the_version_is_told(cairn: Cairn) -> None:
    result = cairn("--version")
    assert (result.returncode, result.stdout.split()[:2]) == (0, ["cairn", __version__])


class TestWrongSettings:
    """They are told by name, and nothing is started."""

    @pytest.fixture(autouse=True)
    def handler(self) -> Iterator[None]:
        """Put the handler back that programs that serve set before all else."""
        before = signal.getsignal(signal.SIGTERM)
        yield
        signal.signal(signal.SIGTERM, before)

    @pytest.mark.parametrize(
        ("command", "variable", "value", "said"),
        [
            (("doctor",), "CAIRN_API_PORT", "abc", "CAIRN_API_PORT: "),
            (("executions", "list"), "CAIRN_LOG_LEVEL", "loud", "CAIRN_LOG_LEVEL: "),
            (("api",), "CAIRN_TOOL_MODULES", '["nowhere.tools"]', "tool modules: Tool module 'nowhere.tools'"),
            (("worker",), "CAIRN_TOOL_MODULES", '["nowhere.tools"]', "tool modules: Tool module 'nowhere.tools'"),
            (("setup",), "CAIRN_TOOL_MODULES", '["nowhere.tools"]', "tool modules: Tool module 'nowhere.tools'"),
            (("api",), "CAIRN_PAYLOAD_KEYS", "hidden", "encryption: CAIRN_PAYLOAD_KEYS"),
            (("api",), "CAIRN_MCP_SERVERS", "/nowhere.json", "mcp servers: CAIRN_MCP_SERVERS"),
            (("worker",), "CAIRN_BLOB_URL", "nowhere://blobs", "storage: Storage 'nowhere://blobs'"),
            (("api",), "CAIRN_HOME", "/dev/null/data", "data: /dev/null/data cannot be written"),
        ],
    )
    def test_they_are_told(
        self,
        cairn: Cairn,
        environment: dict[str, str],
        command: tuple[str, ...],
        variable: str,
        value: str,
        said: str,
    ) -> None:
        environment[variable] = value
        result = cairn(*command)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: Not every setting can be used.\n")
        assert said in result.stderr
        assert "Traceback" not in result.stderr and "hidden" not in result.stderr


@pytest.mark.parametrize("command", [("deployments", "list"), ("graph", "check-replay")])
def test_a_temporal_that_is_away_is_told_with_its_address(
    cairn: Cairn, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    environment["TEMPORAL_ADDRESS"] = address = f"127.0.0.1:{find_free()}"
    result = cairn(*command)
    assert result.returncode == 1
    assert address in result.stderr and "cairn serve" in result.stderr


class TestKeys:
    def test_a_key_is_shown_once_listed_and_revoked(self, cairn: Cairn) -> None:
        assert json.loads(cairn("db", "upgrade", "--json").stdout)["migrated"] is True
        made = json.loads(
            cairn("keys", "create", "--name", "ci", "--scope", "graphs:read", "--days", "1", "--json").stdout
        )
        assert made["key"].startswith(made["prefix"])
        (listed,) = json.loads(cairn("keys", "list", "--json").stdout)
        assert (listed["name"], listed["scopes"], listed["revoked_at"]) == ("ci", ["graphs:read"], None)
        assert made["key"] not in cairn("keys", "list").stdout
        assert json.loads(cairn("keys", "revoke", made["id"], "--json").stdout)["revoked_at"]
        assert json.loads(cairn("keys", "list", "--json", "--tenant", "other").stdout) == []

    def test_bad_input_is_told_as_json_and_as_text(self, cairn: Cairn) -> None:
        cairn("db", "upgrade")
        as_json = cairn("keys", "create", "--prefix", "zz_", "--json")
        assert as_json.returncode == 1
        assert json.loads(as_json.stdout)["error"]["errors"][0]["pointer"] == "/prefix"
        as_text = cairn("keys", "create", "--prefix", "zz_")
        assert (as_text.returncode, as_text.stdout) == (1, "")
        assert "/prefix: must be one of" in as_text.stderr

    @pytest.mark.parametrize("command", [("list",), ("create",), ("revoke", "k")])
    def test_before_the_first_start_that_is_told_and_nothing_is_made(
        self, cairn: Cairn, cairn_home: Path, command: tuple[str, ...]
    ) -> None:
        result = cairn("keys", *command)
        assert (result.returncode, result.stdout) == (1, "")
        assert "There is no database yet" in result.stderr and "cairn db upgrade" in result.stderr
        assert not cairn_home.exists()

    def test_a_database_without_tables_is_told_with_what_to_do(self, cairn: Cairn, cairn_home: Path) -> None:
        cairn_home.mkdir()
        (cairn_home / "cairn.db").touch()
        result = cairn("keys", "list")
        assert result.returncode == 1
        assert "cairn db upgrade" in result.stderr

    def test_a_database_that_does_not_answer_is_told(self, cairn: Cairn, environment: dict[str, str]) -> None:
        environment["CAIRN_DATABASE_URL"] = f"postgresql://cairn:hidden@127.0.0.1:{find_free()}/cairn"
        result = cairn("db", "upgrade")
        assert result.returncode == 1
        assert "refused" in result.stderr and "hidden" not in result.stderr

    def test_an_unknown_key_is_told(self, cairn: Cairn) -> None:
        cairn("db", "upgrade")
        assert cairn("keys", "revoke", "nothing").returncode == 1


class TestSetup:
    def test_it_makes_one_key_that_only_the_owner_reads(self, cairn: Cairn, cairn_home: Path) -> None:
        first, second = (json.loads(cairn("setup", "--json").stdout) for _ in range(2))
        file = cairn_home / "dev-key"
        assert first["key"] == file.read_text().strip()
        assert second["key"] is None
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        (key,) = json.loads(cairn("keys", "list", "--json").stdout)
        assert (key["tenant"], key["live"], key["scopes"]) == ("default", True, ["*"])

    def test_a_key_that_no_longer_works_is_replaced(self, cairn: Cairn, cairn_home: Path) -> None:
        cairn("setup")
        (key,) = json.loads(cairn("keys", "list", "--json").stdout)
        cairn("keys", "revoke", key["id"])
        assert json.loads(cairn("setup", "--json").stdout)["key"] == (cairn_home / "dev-key").read_text().strip()


class TestTemporal:
    def test_where_says_which_server_would_be_used(self, cairn: Cairn, environment: dict[str, str]) -> None:
        assert json.loads(cairn("temporal", "--where", "--json").stdout)["kind"] in ("binary", "package")
        environment["TEMPORAL_ADDRESS"] = "temporal.example:7233"
        assert "existing: temporal.example:7233" in cairn("temporal", "--where").stdout

    def test_there_is_nothing_to_start_beside_an_existing_server(
        self, cairn: Cairn, environment: dict[str, str]
    ) -> None:
        environment["TEMPORAL_ADDRESS"] = "temporal.example:7233"
        result = cairn("temporal")
        assert result.returncode == 1
        assert "TEMPORAL_ADDRESS" in result.stderr


class TestTakenPorts:
    @pytest.mark.parametrize(
        ("command", "setting"),
        [
            ("temporal", "CAIRN_TEMPORAL_PORT"),
            ("temporal", "CAIRN_TEMPORAL_UI_PORT"),
            ("serve", "CAIRN_API_PORT"),
            ("serve", "CAIRN_TEMPORAL_PORT"),
            ("api", "CAIRN_API_PORT"),
        ],
    )
    def test_it_is_named(self, cairn_process: Cairn, environment: dict[str, str], command: str, setting: str) -> None:
        for name in ("CAIRN_API_PORT", "CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT"):
            environment[name] = str(find_free())
        with socket.create_server(("127.0.0.1", int(environment[setting]))):
            result = cairn_process(command)
        assert result.returncode == 1
        assert environment[setting] in result.stderr
        assert setting in result.stderr
        assert "Traceback" not in result.stderr


class TestTwoServersOnOneFolder:
    """They would take the database from each other: the second is refused, and the claim dies with the first."""

    @pytest.fixture
    def first(self, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
        """Run a program that has become another one after it claimed the database, as `cairn temporal` does."""
        script = (
            "import os, sys\n"
            "from cairn.settings import get_settings\n"
            "from cairn.temporal.server import claim_database\n"
            "claim_database(get_settings())\n"
            "os.execvp('sh', ['sh', '-c', 'echo claimed; exec cat'])\n"
        )
        command = [sys.executable, "-c", script]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout and process.stdout.readline() == "claimed\n"
            yield process
            process.kill()

    @pytest.mark.parametrize("command", ["serve", "temporal"])
    def test_the_second_is_told_what_to_do(
        self, cairn: Cairn, environment: dict[str, str], first: subprocess.Popen[str], command: str
    ) -> None:
        for name in ("CAIRN_API_PORT", "CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT"):
            environment[name] = str(find_free())
        result = cairn(command)
        assert result.returncode == 1
        assert "Another Temporal dev server" in result.stderr and "CAIRN_HOME" in result.stderr
        first.kill()
        first.wait()
        os.close(claim_database(Settings(home=Path(environment["CAIRN_HOME"]))))


class TestDoctor:
    def findings(self, result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
        return {finding["subject"]: finding for finding in json.loads(result.stdout)["findings"]}

    @pytest.fixture(autouse=True)
    def ports(self, environment: dict[str, str]) -> None:
        for name in ("CAIRN_API_PORT", "CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT"):
            environment[name] = str(find_free())

    def test_a_fresh_machine_lacks_nothing_that_is_needed_and_stays_as_it_is(
        self, cairn: Cairn, cairn_home: Path
    ) -> None:
        result = cairn("doctor", "--json")
        assert result.returncode == 0, result.stdout
        found = self.findings(result)
        assert found["database"]["status"] == "note"
        assert found["temporal"]["status"] == "ok"
        assert not cairn_home.exists()

    def test_a_migrated_database_and_a_running_server_are_seen(
        self, cairn: Cairn, environment: dict[str, str], temporal_server: DevServer
    ) -> None:
        environment["TEMPORAL_ADDRESS"] = temporal_server.address
        cairn("db", "upgrade")
        found = self.findings(cairn("doctor", "--json"))
        assert "migrated" in found["database"]["found"]
        assert "answers" in found["temporal server"]["found"]

    def test_what_is_missing_is_told_with_what_to_do(self, cairn: Cairn, environment: dict[str, str]) -> None:
        environment["TEMPORAL_ADDRESS"] = f"127.0.0.1:{find_free()}"
        environment["CAIRN_DATABASE_URL"] = f"postgresql+psycopg://cairn:hidden@127.0.0.1:{find_free()}/cairn"
        environment["CAIRN_DEFAULT_MODEL"] = "anthropic:claude-sonnet-4-5"
        with socket.create_server(("127.0.0.1", int(environment["CAIRN_API_PORT"]))):
            result = cairn("doctor", "--json")
        found = self.findings(result)
        assert result.returncode == 1
        assert {name for name, finding in found.items() if finding["status"] == "missing"} == {
            "temporal server",
            "database",
            "default model",
            f"port {environment['CAIRN_API_PORT']}",
        }
        assert all(finding["todo"] for finding in found.values() if finding["status"] == "missing")
        assert "hidden" not in result.stdout

    def test_sandbox_and_mcp_servers_are_looked_at(self, cairn: Cairn, environment: dict[str, str]) -> None:
        environment["CAIRN_MCP_SERVERS"] = "/nowhere/servers.json"
        environment["CAIRN_SANDBOX"] = "eryx"
        result = cairn("doctor", "--json")
        found = self.findings(result)
        assert result.returncode == 1
        assert (found["mcp servers"]["status"], found["mcp servers"]["todo"]) == (
            "missing", "Correct the file, or CAIRN_MCP_SERVERS.",
        )  # fmt: skip
        there = importlib.util.find_spec("eryx") is not None
        assert found["sandbox"]["status"] == ("ok" if there else "missing")
        assert there or "CAIRN_SANDBOX" in found["sandbox"]["todo"]

    def test_skills_are_told_and_what_wants_to_be_one(self, cairn: Cairn, environment: dict[str, str]) -> None:
        root = Path(environment["CAIRN_HOME"]) / "my-skills"
        environment["CAIRN_SKILLS_ROOT"] = str(root)
        assert self.findings(cairn("doctor", "--json"))["skills"]["status"] == "missing"
        for name in ("good", "bad"):
            (root / name).mkdir(parents=True)
            (root / name / "SKILL.md").write_text("---\nname: good\ndescription: d\n---\n")
        found = self.findings(cairn("doctor", "--json"))
        assert (found["skills"]["status"], found["skills"]["found"]) == ("ok", "good")
        assert found["skill bad"]["status"] == "note" and found["skill bad"]["todo"] == "Correct bad/SKILL.md."

    def test_what_is_misspelt_is_told(self, cairn: Cairn, environment: dict[str, str]) -> None:
        environment["CAIRN_APIPORT"] = "8001"
        environment["CAIRN_DEFAULT_MODEL"] = "gpt-5"
        environment["CAIRN_TOOL_MODULES"] = '["nowhere.tools"]'
        found = self.findings(cairn("doctor", "--json"))
        assert (found["CAIRN_APIPORT"]["status"], found["CAIRN_APIPORT"]["todo"]) == (
            "note",
            "Is CAIRN_API_PORT meant?",
        )
        assert found["default model"]["status"] == "missing" and "openai" in found["default model"]["found"]
        assert found["tool modules"]["status"] == "missing"

    def test_another_program_on_the_port_of_the_api_is_told(
        self, cairn: Cairn, environment: dict[str, str], foreign_server: int
    ) -> None:
        environment["CAIRN_API_PORT"] = str(foreign_server)
        found = self.findings(cairn("doctor", "--json"))
        assert found[f"port {foreign_server}"]["status"] == "missing"

    def test_a_broken_setting_of_the_server_is_told(self, cairn: Cairn, environment: dict[str, str]) -> None:
        environment["TEMPORAL_CLI"] = "/nowhere/temporal"
        result = cairn("doctor")
        assert result.returncode == 1
        assert "TEMPORAL_CLI names" in result.stdout
