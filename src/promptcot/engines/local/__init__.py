"""The embedded engine: transformers in this process, with continuous batching."""
