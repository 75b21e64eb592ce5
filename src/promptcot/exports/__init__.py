"""From rows of a set, of labels or of a known data set to a folder that a trainer reads.

`examples` decides what goes out, `formats` which columns each trainer reads, `splits` which example is kept for
validation or test, `files` how the folder is written, `check` whether it reads back and every gold passes its verifier.
"""
