"""Benchmarks, the numbers published for them, and plots of results. Statistics are in `core.statistics`."""
