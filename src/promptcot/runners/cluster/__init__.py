"""The runner of a Ray cluster."""
