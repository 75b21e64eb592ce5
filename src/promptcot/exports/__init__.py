"""Exports the rows of a set, of labels or of a known data set to a folder that a trainer reads.

`examples` decides which rows are exported, `formats` the columns of each trainer, `splits` which examples are for
validation or test, `files` how the folder is written. `check` reads the folder back and checks every gold with its
verifier.
"""
