"""What a row is called where a trainer groups its metrics by the data set that a row comes from."""

from __future__ import annotations

from promptcot.exports.examples import Example

SOURCE = "promptcot"


def source_of(example: Example) -> str:
    """The `source` of the row, and else the name of this program."""
    source = example.extra.get("source")
    return source if isinstance(source, str) and source else SOURCE
