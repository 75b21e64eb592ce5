"""The results of a claim, as JSON lines in `OUT/claims/NAME.jsonl`: one line for each variant and seed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from nano.claims.claim import Result


def results_path(out: Path, name: str) -> Path:
    return out / "claims" / f"{name}.jsonl"


def read(out: Path, name: str) -> list[Result]:
    """All results of a claim so far; none where it was never run."""
    path = results_path(out, name)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Result(**json.loads(line)) for line in lines]


def add(out: Path, name: str, result: Result) -> None:
    """Append one result."""
    path = results_path(out, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        print(json.dumps(asdict(result)), file=file)
