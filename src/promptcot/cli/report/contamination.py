"""The results of a decontamination as text. `evaluation.references` describes the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promptcot.cli.report.copies import by_rule
from promptcot.core.units import counted
from promptcot.storage.paths import beside


def found_lines(summary: Mapping[str, Any], output: Path) -> Iterator[str]:
    """How many problems of each benchmark were found, and by which rules."""
    for benchmark, count in summary["found"].items():
        yield f"{benchmark}: found {count:,}; see `contamination` in {beside(output, 'dropped.jsonl')}"
    if summary["rules"]:
        yield by_rule("benchmark problems", summary["rules"])
    if summary["without_problem"]:
        yield f"left out: {counted(summary['without_problem'], 'row')} without a problem text"
