"""The formats of trainers, by name."""
