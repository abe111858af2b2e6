"""Kills, freezes and restarts an installation while it works, and checks that nothing was lost or doubled."""
