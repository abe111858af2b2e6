"""Pictures of graphs, and of the way that executions take through them."""

from cairn.domain.diagrams.service import Format, draw_definition, draw_execution
from cairn.domain.diagrams.svg import SECURITY_POLICY

__all__ = ["SECURITY_POLICY", "Format", "draw_definition", "draw_execution"]
