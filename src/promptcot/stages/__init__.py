"""Stages, which call a model, and steps, which do not."""
