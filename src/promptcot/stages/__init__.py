"""The steps that ask a model, one short file each."""
