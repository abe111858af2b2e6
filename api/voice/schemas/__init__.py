"""Bodies of requests and replies, one file a resource."""
