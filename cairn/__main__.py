"""``python -m cairn`` is the command ``cairn``."""

from cairn.cli.app import main

main()
