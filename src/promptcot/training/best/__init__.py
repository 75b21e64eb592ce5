"""Which checkpoint of a training becomes its model, and when a training that gets no better ends early."""
