"""What lies in the directory of a run, read without running anything: its files, its state, the history of a row."""
