"""Surface workflux: so far only its errors."""
