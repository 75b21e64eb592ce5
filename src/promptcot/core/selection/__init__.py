"""Which labelled problems become a set: how hard they are, what was asked for, and which of them come nearest to it."""
