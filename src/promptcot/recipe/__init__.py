"""What a run is told: the keys of a recipe, and how one is read."""
