"""Uploads to the Hugging Face Hub, and only when asked for: the one place that sends anything there."""
