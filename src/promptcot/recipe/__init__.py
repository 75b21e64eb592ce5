"""Recipes: their keys, and how they are loaded."""
