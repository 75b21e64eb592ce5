"""What a set of problems is like: counts and statistics of its rows, and how far two sets are apart. Pure."""
