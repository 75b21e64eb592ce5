"""The source name of a row, by which trainers group their metrics."""

from __future__ import annotations

from promptcot.exports.examples import Example

SOURCE = "promptcot"


def source_of(example: Example) -> str:
    """The `source` of the row, or the name of this program if there is none."""
    source = example.extra.get("source")
    return source if isinstance(source, str) and source else SOURCE
