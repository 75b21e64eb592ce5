"""What is printed of the copies that were found, when all rows have been seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptcot.core.units import counted


def copy_lines(summary: Mapping[str, Any], rows: int, masking: str = "--mask-numbers") -> Iterator[str]:
    """Copies by rule, problems that are alike but for numbers, and whether likely copies were passed over. `masking` is
    what makes copies of those that are alike but for numbers.
    """
    if summary["rules"]:
        yield by_rule("copies", summary["rules"])
    alike = summary["alike_but_for_numbers"]
    if alike:
        what = "dropped as copies" if summary["mask_numbers"] else f"kept; {masking} treats them as copies"
        yield f"identical except for numbers: {alike:,} of {counted(rows, 'row')} ({alike / rows:.1%}), {what}"
    if capped := summary["capped"]:
        yield (
            f"very common passages: {counted(capped, 'row')}, compared only with the most likely copies, so some "
            "copies may remain"
        )


def by_rule(what: str, rules: Mapping[str, int]) -> str:
    """How many were found by each rule."""
    return f"{what} by rule: {', '.join(f'{rule} {count:,}' for rule, count in sorted(rules.items()))}"
