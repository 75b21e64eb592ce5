"""Exact sampling of concept combinations, in a time that hardly grows with the number of concepts."""
