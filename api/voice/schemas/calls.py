"""Starting a call, as voice takes and shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body
from cairn.contracts.json import JsonObject
from cairn.domain.calls.triggers import Dial


class StartCall(Body):
    """Start the graph of a trigger."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"phone_number": "+4930123456", "initial_context": {"first_name": "Ada"}}]}
    )

    phone_number: str | None = Field(
        default=None, pattern=r"^\+[1-9][0-9]{1,14}$", description="Of the other side, in E.164."
    )
    initial_context: JsonObject = Field(
        default_factory=dict, description="What the graph's texts and expressions know from the start."
    )

    def dial(self, path: str, *, draft: bool = False) -> Dial:
        """Return what the domain is asked for."""
        return Dial(path, self.phone_number, self.initial_context, draft)


class CallStarted(BaseModel):
    """The execution that was started."""

    status: Literal["initiated"] = "initiated"
    workflow_run_id: str = Field(description="Id of the execution.")
    workflow_run_name: str
