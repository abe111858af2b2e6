"""``cairn demo``: a graph runs, fails, is replayed and rolled back, in an installation of the demo's own."""
