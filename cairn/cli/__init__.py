"""The command line: one file a noun. A file imports what is heavy inside its commands, so that ``--help`` is quick."""
