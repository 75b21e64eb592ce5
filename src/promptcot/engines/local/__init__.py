"""The engine of this process: transformers, with batches that requests join and leave at any time."""
