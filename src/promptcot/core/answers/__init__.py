"""Finds the answer of a completion and compares answers, as far as this needs no computer algebra.

`extraction` finds the answer, `normalise` and `parts` parse it, `exact` compares. All of it is pure and fast.
`promptcot.grading` decides the rest, in processes that can be killed because algebra may take long.
"""
