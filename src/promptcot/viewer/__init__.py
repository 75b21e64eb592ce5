"""`view RUN`: an index of a run's problems, and a page on this machine to search, read and review them."""
