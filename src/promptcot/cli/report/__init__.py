"""The text that the command line prints: reports on runs, plans, training runs and scores, progress and errors."""
