"""When two problems are the same one in other words: what their texts say (`tokens`), and what counts as a copy."""
