"""Whatever pushes rows through a stage, behind one protocol."""
