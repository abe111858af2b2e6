"""Surface omniflow: so far only its errors."""
