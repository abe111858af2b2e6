"""Surface agentflow, the agent platform: see ``conventions`` for what there is of it."""
