"""From rows to batches: which rows can be learnt, their tokens, and which of them share a sequence."""
