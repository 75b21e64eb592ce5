"""The steps of a run, wired together. Only this package connects stages, engines and runners."""
