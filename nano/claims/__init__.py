"""The claims of the method in miniature: one module per claim, each of which trains small models and compares them.

`claim` says what a claim is, `running` runs one, `making` makes the problems that `pools` stores, and `students` trains
and tests the students that learn from them; `results` stores what was measured, `statistics` and `writing` turn it into
tables and sentences, `plots` draws. Run one as `python -m nano.claims.NAME OUT`, where OUT is the folder of
`nano.train`.
"""
