"""Reads the tables of graded pairs in `tests/cases/answers`, and groups them by gold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases"


def answer_cases() -> list[dict[str, Any]]:
    """The rows of all tables: `gold`, `pred`, `expected`, and a `note` that names the kind."""
    return [case for path in sorted((CASES / "answers").glob("*.jsonl")) for case in table(f"answers/{path.stem}")]


def table(name: str) -> list[dict[str, Any]]:
    """The rows of one table of `tests/cases`."""
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text(encoding="utf-8").strip().split("\n")]


def families(cases: Sequence[dict[str, Any]]) -> list[list[str]]:
    """For each gold, the gold and all answers to it, in the order of the tables."""
    found: dict[str, dict[str, None]] = {}
    for case in cases:
        found.setdefault(case["gold"], {case["gold"]: None})[case["pred"]] = None
    return [list(texts) for texts in found.values()]


def readings(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """All pairs of texts that say anything."""
    yield from combinations([text for text in texts if text.strip()], 2)
