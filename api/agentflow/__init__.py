"""Surface agentflow: the agent platform; so far approvals, questions and its system endpoints."""
