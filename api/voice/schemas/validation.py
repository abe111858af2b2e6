"""What the validation of a graph says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cairn.graph.model import GraphIssue


class GraphError(BaseModel):
    """One error or warning, as an editor shows it."""

    model_config = ConfigDict(from_attributes=True)

    kind: Literal["node", "edge", "workflow"]
    id: str | None = Field(description="Of the node or edge; null for the whole graph.")
    field: str | None = Field(description="For example `data.prompt`.")
    message: str


class Validation(BaseModel):
    """Whether a graph can be published, with all errors at once."""

    is_valid: bool
    errors: list[GraphError]
    warnings: list[GraphError] = Field(default_factory=list[GraphError], description="These do not invalidate.")

    @classmethod
    def of(cls, issues: Iterable[GraphIssue]) -> Validation:
        """Make it of what the validator found."""
        found = [(issue.severity, GraphError.model_validate(issue)) for issue in issues]
        errors = [shown for severity, shown in found if severity == "error"]
        warnings = [shown for severity, shown in found if severity == "warning"]
        return cls(is_valid=not errors, errors=errors, warnings=warnings)
