"""Chains: several commands one after the other, from a recipe with the key `chain`, each a process of its own.

`recipe` says which keys a chain has, `distill` and `cold_start` which commands they become, `running` how these are run
and which of them are left out; `rows` and `closing` hold what the small commands between the others do.
"""
