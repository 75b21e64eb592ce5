"""Counts and statistics of the rows of a set, and the comparison of two sets. Pure."""
