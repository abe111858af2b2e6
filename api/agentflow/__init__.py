"""Surface agentflow: the agent platform; so far agents, approvals, questions and its system endpoints."""
