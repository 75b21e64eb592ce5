"""The text that the command line prints: reports on runs, plans, trainings and scores, progress and errors."""
