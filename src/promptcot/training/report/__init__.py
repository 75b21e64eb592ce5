"""Progress display of a training, and the card of its model."""
