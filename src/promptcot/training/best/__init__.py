"""Selects the best checkpoint of a training, and stops a training that no longer improves."""
