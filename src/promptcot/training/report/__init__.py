"""Progress display of a training run, and the card of its model."""
