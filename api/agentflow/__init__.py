"""Surface agentflow: the agent platform; so far its system endpoints."""
