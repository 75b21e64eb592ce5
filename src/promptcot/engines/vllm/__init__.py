"""The engine that starts a vLLM server for the run."""
