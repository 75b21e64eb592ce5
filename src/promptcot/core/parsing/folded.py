"""Unfolds ratings that a judge wrote on one line into one line for each.

Recognizes such a line: a JSON object, or the row of a table whose header names all criteria. `judging` parses labels
and ratings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from promptcot.core.criteria import spelling


def unfolded(lines: Sequence[str], keys: Mapping[str, str]) -> list[str]:
    """The lines, where each line with several ratings is replaced by a line `label: rating` for each of them.

    `keys` maps the spelling of a label to its key. A table counts if its header names each key once, and if it has one
    row.
    """
    unfolded_lines: list[str] = []
    for i, line in enumerate(lines):
        unfolded_lines += _members(line) or _columns(lines, i, keys) or [line]
    return unfolded_lines


def _members(line: str) -> list[str]:
    """A line for each string in a JSON object, also in nested objects; empty for other lines."""
    text = line.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return []
    try:
        return [
            f"{key}: {' '.join(value.split())}" for key, value in _strings(json.loads(text, object_pairs_hook=list))
        ]
    except (ValueError, RecursionError):
        return []


def _strings(pairs: object) -> Iterator[tuple[str, str]]:
    """The strings of an object, with their names; duplicates are kept."""
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, tuple) and isinstance(pair[1], str):
            yield pair[0], pair[1]
        elif isinstance(pair, tuple):
            yield from _strings(pair[1])


def _columns(lines: Sequence[str], i: int, keys: Mapping[str, str]) -> list[str]:
    """A line for each rating in line `i`; empty unless that is the only row of a table with such a header."""
    row = _cells(lines[i])
    head_at = i - 2 if i and _is_rule(lines[i - 1]) else i - 1
    if head_at < 0 or len(row) < 2 or _is_rule(lines[i]):
        return []
    head = _cells(lines[head_at])
    named = [keys.get(spelling(label)) for label in head]
    if len(head) != len(row) or sorted(filter(None, named)) != sorted({*keys.values()}):
        return []
    if i + 1 < len(lines) and len(_cells(lines[i + 1])) > 1:
        return []
    return [f"{label}: {cell}" for label, cell, key in zip(head, row, named, strict=True) if key]


def _cells(line: str) -> list[str]:
    return [cell.strip(" \t*_`") for cell in line.strip().strip("|").split("|")]


def _is_rule(line: str) -> bool:
    """Whether a line separates the header of a table from its rows."""
    return "-" in line and not line.strip("|-:+ \t")
