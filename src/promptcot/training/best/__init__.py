"""Selects the best checkpoint of a training run, and stops a run that no longer improves."""
