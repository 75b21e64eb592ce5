"""Whatever answers a request to a model, behind one protocol."""
