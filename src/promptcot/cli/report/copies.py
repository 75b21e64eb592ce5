"""The copies that were found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptcot.core.units import counted


def copy_lines(summary: Mapping[str, Any], rows: int, masking: str = "--mask-numbers") -> Iterator[str]:
    """Copies by rule, problems identical except for numbers, and whether likely copies were skipped. `masking` names
    the option that treats problems identical except for numbers as copies.
    """
    if summary["rules"]:
        yield by_rule("copies", summary["rules"])
    alike = summary["alike_but_for_numbers"]
    if alike:
        what = "dropped as copies" if summary["mask_numbers"] else f"kept; {masking} treats them as copies"
        yield f"identical except for numbers: {alike:,} of {counted(rows, 'row')} ({alike / rows:.1%}), {what}"
    if capped := summary["capped"]:
        yield (
            f"very common passages: {counted(capped, 'row')} compared only with the most likely copies, so some copies "
            "may remain"
        )


def by_rule(what: str, rules: Mapping[str, int]) -> str:
    """How many were found by each rule."""
    return f"{what} by rule: {', '.join(f'{rule} {count:,}' for rule, count in sorted(rules.items()))}"
