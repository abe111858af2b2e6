"""What every surface of the API is made of: the kit knows HTTP and no surface."""
