"""The claims of the method in miniature: one module per claim, each of which trains small models and compares them.

`claim` says what a claim is, `running` runs one, `pools` makes the problems and `students` the students that several
share, `statistics` and `writing` turn results into tables and sentences, `plots` draws. Run one as
`python -m nano.claims.NAME OUT`, where OUT is the folder of `nano.train`.
"""
