"""Reads a run directory without running anything: its files, its state, and the history of a row."""
