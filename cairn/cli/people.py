"""``cairn approvals`` and ``cairn questions``: what executions ask people."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from cairn.cli.arguments import JSON_HELP, json_object, json_value
from cairn.cli.client import open_client
from cairn.cli.output import AsJson, columns, show

if TYPE_CHECKING:
    from cairn.contracts.json import Json, JsonObject

approvals = typer.Typer(help="Approvals: see and decide what executions wait for.", no_args_is_help=True)
questions = typer.Typer(help="Questions: see and answer what executions ask.", no_args_is_help=True)

ApprovalId = Annotated[str, typer.Argument(help="Id of the approval.", show_default=False)]
QuestionId = Annotated[str, typer.Argument(help="Id of the question.", show_default=False)]
Execution = Annotated[str | None, typer.Option(help="Of this execution.")]
Page = Annotated[int, typer.Option(min=1)]
PageSize = Annotated[int, typer.Option(min=1, max=100)]


class Decision(StrEnum):
    """What a person decides."""

    APPROVE = "approve"
    DENY = "deny"


@approvals.command("list")
def list_approvals(
    execution: Execution = None,
    tool: Annotated[str | None, typer.Option(help="For calls of this tool.")] = None,
    page: Page = 1,
    page_size: PageSize = 20,
    as_json: AsJson = False,
) -> None:
    """List the approvals that wait for a person, newest first."""
    filters = {"execution_id": execution, "tool_name": tool}
    with open_client() as client:
        found = client.get("/api/v1/approvals/pending", **filters, page=page, page_size=page_size)
    show(found, as_json, lambda: _table(found, "approvals"))


@approvals.command("show")
def show_approval(approval: ApprovalId, as_json: AsJson = False) -> None:
    """Show an approval."""
    _show("approvals", approval, as_json)


@approvals.command("respond")
def respond_to_approval(
    approval: ApprovalId,
    decision: Annotated[Decision, typer.Argument(show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Why; the execution learns it.")] = None,
    arguments: Annotated[
        str | None, typer.Option(metavar="JSON", help=f"Call the tool with these instead. {JSON_HELP}.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide an approval."""
    body: JsonObject = {"decision": decision.value, "reason": reason}
    if arguments is not None:
        body["modified_arguments"] = json_object(arguments, "--arguments")
    with open_client() as client:
        done = client.send("POST", _path("approvals", approval, "respond"), body)
    show(done, as_json, lambda: _detail(done))


@approvals.command("cancel")
def cancel_approval(approval: ApprovalId, as_json: AsJson = False) -> None:
    """Take an approval back; its execution sees it denied."""
    with open_client() as client:
        done = client.send("DELETE", _path("approvals", approval), {})
    show(done, as_json, lambda: _detail(done))


@questions.command("list")
def list_questions(
    execution: Execution = None, page: Page = 1, page_size: PageSize = 20, as_json: AsJson = False
) -> None:
    """List the questions that wait for a person, newest first."""
    with open_client() as client:
        found = client.get("/api/v1/questions/pending", execution_id=execution, page=page, page_size=page_size)
    show(found, as_json, lambda: _table(found, "questions"))


@questions.command("show")
def show_question(question: QuestionId, as_json: AsJson = False) -> None:
    """Show a question."""
    _show("questions", question, as_json)


@questions.command("respond")
def respond_to_question(
    question: QuestionId,
    answer: Annotated[str | None, typer.Argument(help="The answer, as text.", show_default=False)] = None,
    value: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="The answer as JSON instead; @FILE reads it from a file, - from input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question."""
    if (answer is None) == (value is None):
        raise typer.BadParameter("give the answer either as text or with --value", param_hint="ANSWER")
    body = {"answer": answer if value is None else json_value(value, "--value")}
    with open_client() as client:
        done = client.send("POST", _path("questions", question, "respond"), body)
    show(done, as_json, lambda: f"{done['id']} is {done['status']}; execution {done['execution_id']} goes on")


def _show(what: str, request_id: str, as_json: bool) -> None:
    with open_client() as client:
        found = client.get(_path(what, request_id))
    show(found, as_json, lambda: _detail(found))


def _path(*parts: str) -> str:
    return "/".join(["/api/v1", *(quote(part, safe="") for part in parts)])


def _table(found: JsonObject, what: str) -> str:
    if not found[what]:
        return f"No pending {what}." if not found["total"] else f"No page {found['page']}: {found['total']} in all."
    rows = [["id", "execution", "asked", "until", "for", ""]]
    for each in found[what]:
        until = _time(each["expires_at"]) if each["expires_at"] else "-"
        whom = ", ".join(each["assignees"]) or "anyone"
        rows.append([each["id"], each["execution_id"], _time(each["requested_at"]), until, whom, _about(each)])
    shown, total = len(found[what]), found["total"]
    return columns(rows) + (f"\n{shown} of {total}; --page {found['page'] + 1} for more" if shown < total else "")


def _about(asked: JsonObject) -> str:
    tool = asked.get("tool_name")
    text = f"{tool} {_json(asked['arguments'])}" if tool else asked["prompt"]
    return text if len(text) <= 80 else f"{text[:80]}…"


def _detail(asked: JsonObject) -> str:
    names = ("id", "status", "prompt", "execution_id", "tool_name", "requested_at", "expires_at", "resolved_at")
    names += ("resolved_by", "reason", "notify_error")
    documents = ("arguments", "modified_arguments", "arguments_schema", "answer_schema", "answer")
    facts = [[name, str(asked[name])] for name in names if asked.get(name)]
    facts += [[name, _json(asked[name])] for name in documents if asked.get(name) is not None]
    return columns(facts)


def _time(text: str) -> str:
    return text[:19].replace("T", " ")


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
