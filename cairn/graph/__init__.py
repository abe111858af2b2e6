"""Graphs: model, node kinds, validation, expressions and the pure step function. No I/O, no clock, no randomness."""
