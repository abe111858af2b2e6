"""The commands for what executions ask people, against a running ``cairn serve``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from graphs import node, sequence

from cairn.cli.demo.installation import Installation

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn

ASKING = sequence(
    node("ask", "approval", prompt="May it go on?"),
    node("which", "question", prompt="Which one?", schema={"type": "integer"}),
    node("paid", "wait", event={"name": "paid", "correlation": "input.order"}),
    node("end", "end", output={"said": "outputs.ask.decision", "which": "outputs.which", "paid": "outputs.paid"}),
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("home"), {})
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def environment(installation: Installation) -> dict[str, str]:
    return {**os.environ, **installation.environment}


def document(result: subprocess.CompletedProcess[str], status: int = 0) -> dict[str, Any]:
    assert result.returncode == status, result.stdout + result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def asking(cairn: Cairn, tmp_path: Path) -> str:
    """An execution that asks; its id."""
    file = tmp_path / f"{tmp_path.name}.json"
    file.write_text(json.dumps(ASKING))
    document(cairn("graph", "publish", str(file), "--json"))
    return document(cairn("run", tmp_path.name, "--input", '{"order": 7}', "--json"))["id"]


@pytest.fixture
def asked(cairn: Cairn, asking: str) -> Callable[[str], dict[str, Any]]:
    def asked(what: str) -> dict[str, Any]:
        import time

        end = time.monotonic() + 30
        while not (found := document(cairn(what, "list", "--execution", asking, "--json"))[what]):
            assert time.monotonic() < end
        return found[0]

    return asked


def test_a_person_answers_from_the_command_line(cairn: Cairn, asking: str, asked: Callable[..., dict]) -> None:
    sent = document(
        cairn("executions", "send-event", asking, "paid", "--payload", '{"n": 1}', "--correlation", "7", "--json")
    )
    assert sent["accepted"] and sent["execution_id"] == asking
    approval = asked("approvals")
    listed = cairn("approvals", "list").stdout
    assert approval["id"] in listed and "May it go on?" in listed and "anyone" in listed
    assert "pending" in cairn("approvals", "show", approval["id"]).stdout
    done = document(cairn("approvals", "respond", approval["id"], "approve", "--reason", "fine", "--json"))
    assert (done["status"], done["reason"]) == ("approved", "fine")
    again = cairn("approvals", "respond", approval["id"], "deny")
    assert again.returncode == 1 and "approved already" in again.stderr
    assert cairn("approvals", "cancel", approval["id"]).returncode == 1
    question = asked("questions")
    assert "Which one?" in cairn("questions", "list").stdout
    wrong = document(cairn("questions", "respond", question["id"], "text", "--json"), 1)
    assert wrong["error"]["errors"][0]["pointer"] == "/answer"
    assert cairn("questions", "respond", question["id"]).returncode == 2
    assert cairn("questions", "respond", question["id"], "5", "--value", "5").returncode == 2
    answered = cairn("questions", "respond", question["id"], "--value", "5")
    assert answered.returncode == 0 and asking in answered.stdout
    assert "answered" in cairn("questions", "show", question["id"]).stdout
    end = document(cairn("executions", "show", asking, "--follow", "--json"))
    assert end["output_data"] == {"said": "approved", "which": 5, "paid": {"n": 1}}
    late = document(cairn("executions", "send-event", asking, "paid", "--json"), 1)
    assert late["error"]["code"] == "execution_closed"


def test_an_approval_is_taken_back(cairn: Cairn, asking: str, asked: Callable[..., dict]) -> None:
    approval = asked("approvals")
    assert document(cairn("approvals", "cancel", approval["id"], "--json"))["status"] == "cancelled"
    assert document(cairn("approvals", "list", "--execution", asking, "--json"))["approvals"] == []
    assert "No pending approvals." in cairn("approvals", "list", "--execution", asking).stdout
