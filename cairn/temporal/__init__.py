"""The client side of Temporal: connection, server, executions, checkpoints, streams, blobs."""
