"""The steps of a run, wired together: stages, engines and runners meet here and nowhere else."""
