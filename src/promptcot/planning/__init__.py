"""Plans a run: GPU-hours, bytes, wall time and money, computed from measured or stated rates.

Everything except `measured` (which reads a run directory) is arithmetic. `promptcot.cli.report.plan` formats the plan.
"""
