"""What is on disk, and that it appears whole."""
