"""Every word that the command line prints about a run, a plan, a training or scores."""
