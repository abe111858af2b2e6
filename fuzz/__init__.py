"""Fuzzing by coverage, which needs more time than tests have."""
