"""Uploads to the Hugging Face Hub, only on request. No other package sends anything there."""
