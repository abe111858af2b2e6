"""Surface voice: authors make, check and publish agent graphs; here a "workflow" is a graph."""
