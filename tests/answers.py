"""The tables of graded pairs in `tests/cases/answers`: read, and sorted by gold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "cases" / "answers"


def answer_cases() -> list[dict[str, Any]]:
    """The rows of all tables: `gold`, `pred`, `expected`, and a `note` that names the kind."""
    tables = sorted(FOLDER.glob("*.jsonl"))
    return [json.loads(line) for table in tables for line in table.read_text(encoding="utf-8").strip().split("\n")]


def families(cases: Sequence[dict[str, Any]]) -> list[list[str]]:
    """For each gold, the gold and all answers to it, in the order of the tables."""
    found: dict[str, dict[str, None]] = {}
    for case in cases:
        found.setdefault(case["gold"], {case["gold"]: None})[case["pred"]] = None
    return [list(texts) for texts in found.values()]


def readings(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """All pairs of texts that say anything."""
    yield from combinations([text for text in texts if text.strip()], 2)
