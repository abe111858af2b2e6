"""Calls: what an execution of a voice graph left, starting one by a trigger, and speaking in it."""
