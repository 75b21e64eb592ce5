"""Selects labelled problems for a set: difficulty profiles, settings, and the selection itself."""
