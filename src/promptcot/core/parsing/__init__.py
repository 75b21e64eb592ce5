"""Parsers for the replies of models. They never guess: a reply that cannot be parsed is reported as unreadable."""
