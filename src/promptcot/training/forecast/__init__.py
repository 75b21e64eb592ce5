"""Computes time and memory of a training in advance."""
