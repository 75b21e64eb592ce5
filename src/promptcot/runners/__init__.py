"""Runners, which pass rows through a stage, behind one protocol."""
