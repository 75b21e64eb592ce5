"""The engine of a vLLM server that is started for the run."""
