"""Benchmarks, published results, and plots of results. Statistics are in `core.statistics`."""
