"""What is printed of a decontamination: with which benchmarks, which were not at hand, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promptcot.evaluation.references import References
from promptcot.storage.paths import beside


def reference_lines(found: References) -> Iterator[str]:
    """What is compared with, and how to come by what is not at hand."""
    yield from found.told
    names = ", ".join(f"{name} ({rows:,} problems)" for name, rows in found.found.items())
    if found.decontaminates:
        yield f"compared with {names}"
    else:
        yield f"not decontaminated: no benchmark of real problems is at hand{f', only {names}' if names else ''}"
    if found.missing:
        yield f"not at hand: {', '.join(found.missing)}; --against NAME fetches one, and so does"
        yield from (f"  {command}" for command in found.missing.values())


def found_lines(summary: Mapping[str, Any], output: Path) -> Iterator[str]:
    """How many problems of each benchmark were found, and by which rules."""
    for benchmark, count in summary["found"].items():
        yield f"{benchmark}: found {count:,}; each is in {beside(output, 'dropped.jsonl')}, `contamination`"
    if summary["rules"]:
        yield f"rules: {', '.join(f'{rule} {count:,}' for rule, count in sorted(summary['rules'].items()))}"
    if summary["without_problem"]:
        yield f"{summary['without_problem']:,} rows have no problem, and stay"
