"""Bugs, each a module of tools that a storm's programs load: one tool is wrong, or Cairn itself is made wrong there."""
