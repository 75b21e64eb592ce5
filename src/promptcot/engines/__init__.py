"""Engines: adapters that send requests to a model, behind one protocol."""
