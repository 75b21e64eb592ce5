"""Turns rows into batches: which rows are usable, their tokens, and which rows share a sequence."""
