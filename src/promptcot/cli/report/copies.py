"""What is printed of the copies that were found, when all rows have been seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def copy_lines(summary: Mapping[str, Any], rows: int, masking: str = "--mask-numbers") -> Iterator[str]:
    """Copies by rule, problems that are alike but for numbers, and whether likely copies were passed over. `masking` is
    what makes copies of those that are alike but for numbers.
    """
    if summary["rules"]:
        yield by_rule("copies", summary["rules"])
    alike = summary["alike_but_for_numbers"]
    if alike:
        what = "copies" if summary["mask_numbers"] else f"no copies; {masking} makes them copies"
        yield f"alike but for their numbers: {alike:,} of {rows:,} rows ({alike / rows:.1%}), {what}"
    if capped := summary["capped"]:
        yield (
            f"{capped:,} rows have passages that very many share: each was compared with the likeliest of these only, "
            "so that a copy may have stayed"
        )


def by_rule(what: str, rules: Mapping[str, int]) -> str:
    """How many were found by each rule."""
    return f"{what} by rule: {', '.join(f'{rule} {count:,}' for rule, count in sorted(rules.items()))}"
