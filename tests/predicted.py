"""Rows of predictions for tests, and files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def boxed(answer: str) -> str:
    return f"So \\boxed{{{answer}}}."


def trace(problem: str, answer: str, sample: int | None = None, gold: str = "1/2", **more: Any) -> dict[str, Any]:
    row = {"id": problem, "source": "own", "problem": problem, "answer": gold, "completion": boxed(answer), **more}
    return row if sample is None else {**row, "sample": sample}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
