"""The words and tables of `docs/claims.md` that come from results, between markers, so that no number is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nano.claims.claim import Claim, Comparison, Result
from nano.claims.statistics import difference, mean, of_variant, outcome
from promptcot.core.statistics.differences import Difference

COUNTS = frozenset({"problems"})
"""Values that are no shares."""


def filled(page: str, claim: Claim, results: Sequence[Result]) -> str:
    """The page with the part of a claim renewed. Raises ValueError where the page has no markers for it."""
    begin, end = f"<!-- results of {claim.name} -->", "<!-- end of results -->"
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.S)
    if not pattern.search(page):
        raise ValueError(f"the page has no place for {claim.name}: write {begin} and {end}, each on a line of its own")
    return pattern.sub(lambda match: f"{match[1]}{part(claim, results)}\n{match[2]}", page)


def part(claim: Claim, results: Sequence[Result]) -> str:
    """Table, plot and sentences of a claim; only a line where nothing was measured."""
    if not results:
        return "\nNot measured yet.\n"
    plot = f"![{claim.columns[claim.value]} by variant: seeds, mean and interval](plots/claims-{claim.name}.png)"
    said = "\n".join(f"- {sentence(one, difference(results, one, claim.value))}" for one in claim.comparisons)
    return f"\n{table(claim, results)}\n\n{said}\n\n{plot}\n"


def table(claim: Claim, results: Sequence[Result]) -> str:
    """A row for each variant: the seeds, and the mean of each value, with an interval for the one that is compared."""
    lines = [["", "seeds", *claim.columns.values()], ["---"] * (2 + len(claim.columns))]
    for variant in claim.variants:
        seeds = len(of_variant(results, variant, claim.value))
        lines.append([variant, str(seeds), *(_cell(claim, results, variant, value) for value in claim.columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(claim: Claim, results: Sequence[Result], variant: str, value: str) -> str:
    found = mean(results, variant, value)
    if found.mean is None:
        return "–"
    if value in COUNTS:
        return f"{found.mean:,.0f}"
    interval = found.interval if value == claim.value else None
    return percent(found.mean) + (f" ({percent(interval[0])} to {percent(interval[1])})" if interval else "")


def sentence(comparison: Comparison, found: Difference) -> str:
    """Whether a comparison holds, with its numbers."""
    what = f"{comparison.better} against {comparison.worse}"
    result = outcome(found, comparison.target)
    if found.difference is None or result == "not measured":
        return f"Not measured: {what}."
    numbers = f"{what}: {points(found.difference)} points{_within(found)}"
    if not comparison.claimed:
        return f"Reported, not claimed: {numbers}."
    target = f"; the target is {points(comparison.target)}" if comparison.target else ""
    if result == "fails":
        why = "the difference is not positive" if found.difference <= 0 else "the interval reaches 0 or below"
        return f"**Fails**, {why}: {numbers}{target}."
    return f"**{'Holds' if result == 'holds' else 'Holds, but misses its target'}**: {numbers}{target}."


def _within(found: Difference) -> str:
    return f" ({points(found.interval[0])} to {points(found.interval[1])})" if found.interval else ""


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points, always with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")
