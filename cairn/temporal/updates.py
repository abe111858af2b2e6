"""Commands as Temporal's updates: the ids that they have, and what their refusals say."""

from __future__ import annotations

from typing import cast

from temporalio.exceptions import ApplicationError

from cairn import errors
from cairn.contracts.json import JsonObject
from cairn.temporal.checkpoints import Projection


def ids_in(line: Projection, update_id: str) -> list[str]:
    """Return the ids under which the runs of a line may know a command; the last is the one that it has there now.

    Each reset gives it another: Temporal's default sends the commands of the line that it ends to the new one, which
    refuses them, and from then on Temporal has no answer for whoever sends a command by the same id.
    """
    return [update_id, *(f"{update_id}@{reset.new_run_id}" for reset in line.every_reset)]


def from_application(cause: BaseException | None) -> errors.CairnError:
    """Return the domain's error that a workflow or activity sent as an ``ApplicationError``."""
    if not isinstance(cause, ApplicationError):
        return errors.Conflict("The command was refused")
    details = cast("JsonObject", cause.details[0]) if cause.details and isinstance(cause.details[0], dict) else {}
    made = errors.InvalidInput if details.get("status") == errors.InvalidInput.status else errors.Conflict
    fields = [errors.FieldError(e["pointer"], e["message"]) for e in details.get("errors", [])]
    return made(cause.message, code=cause.type, errors=fields, extra=details.get("extra"))
