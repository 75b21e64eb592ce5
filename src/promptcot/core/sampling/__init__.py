"""Which concepts belong together: combinations drawn exactly, in a time that hardly grows with their number."""
