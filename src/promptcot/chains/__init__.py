"""Chains: several commands in sequence, from a recipe with the key `chain`, each in its own process.

`recipe` defines the keys of a chain, `distill` and `cold_start` its commands, and `running` runs them and skips
finished ones; `rows` and `closing` implement the small commands in between.
"""
