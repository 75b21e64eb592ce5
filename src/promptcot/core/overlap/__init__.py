"""Similarity of problems: normalised tokens of their texts (`tokens`), and the rules for copies and contamination."""
