"""What a run will take: hours, bytes, wall time and money, computed from measured or stated rates.

Everything but `measured` (which reads a run directory) is arithmetic. How it is said is decided in
`promptcot.cli.report.plan`.
"""
