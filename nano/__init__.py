"""The writer of the nano world and the training of its models.

Everything here makes text or trains on it. What a model wrote is read by `promptcot.nano`, which shares nothing with
this package but the page `LANGUAGE.md`.
"""
