"""Computes time and memory of a training run in advance."""
