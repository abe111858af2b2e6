"""Table ``agent_subagents``."""

from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId


class SubagentRow(TenantRow, table=True):
    """One agent has another as a sub-agent. An agent may be the sub-agent of several.

    Attributes:
        agent_id: the agent that has it.
        subagent_id: the sub-agent.
        position: its place among the agent's, from 0.
    """

    __tablename__ = "agent_subagents"  # pyright: ignore[reportAssignmentType]

    agent_id: int = Field(foreign_key="agents.id", primary_key=True, sa_type=BigId)
    subagent_id: int = Field(foreign_key="agents.id", primary_key=True, index=True, sa_type=BigId)
    position: int
