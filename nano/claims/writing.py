"""The words and tables of `docs/claims.md` that come from results, between markers, so that no number is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nano.claims.claim import Claim, Comparison, Result
from nano.claims.results import sizes_of
from nano.claims.statistics import LEAST_SEEDS, difference, is_count, mean, of_variant, outcome
from promptcot.core.statistics.differences import Difference
from promptcot.core.units import counted


def filled(page: str, claim: Claim, results: Sequence[Result]) -> str:
    """The page with the part of a claim renewed. Raises ValueError where the page has no markers for it."""
    begin, end = f"<!-- results of {claim.name} -->", "<!-- end of results -->"
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.S)
    if not pattern.search(page):
        raise ValueError(f"the page has no place for {claim.name}: write {begin} and {end}, each on a line of its own")
    return pattern.sub(lambda match: f"{match[1]}{part(claim, results)}\n{match[2]}", page)


def part(claim: Claim, results: Sequence[Result]) -> str:
    """Sizes, table, sentences and plot of a claim; only a line where nothing was measured."""
    if not results:
        return "\nNot measured yet.\n"
    plot = f"![{claim.columns[claim.value]} by variant: seeds, mean and interval](plots/claims-{claim.name}.png)"
    said = "\n".join(f"- {_compared(claim, results, one)}" for one in claim.comparisons)
    return f"\n{claim.about(sizes_of(results))}\n\n{table(claim, results)}\n\n{said}\n\n{plot}\n"


def _compared(claim: Claim, results: Sequence[Result], comparison: Comparison) -> str:
    value = comparison.value or claim.value
    return sentence(comparison, difference(results, comparison, value), claim.columns[value])


def table(claim: Claim, results: Sequence[Result]) -> str:
    """A row for each variant: the seeds, and the mean of each value, with an interval for those that are compared."""
    lines = [["", "seeds", *claim.columns.values()], ["---"] * (2 + len(claim.columns))]
    for variant in claim.variants:
        seeds = len(of_variant(results, variant, claim.value))
        lines.append([variant, str(seeds), *(_cell(claim, results, variant, value) for value in claim.columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(claim: Claim, results: Sequence[Result], variant: str, value: str) -> str:
    found = mean(results, variant, value)
    if found.mean is None:
        return "–"
    if is_count(value):
        return f"{found.mean:,.0f}"
    compared = value in {one.value or claim.value for one in claim.comparisons}
    interval = found.interval if compared else None
    return percent(found.mean) + (f" ({percent(interval[0])} to {percent(interval[1])})" if interval else "")


def sentence(comparison: Comparison, found: Difference, heading: str) -> str:
    """Whether a comparison holds, with its numbers; a value that is not the claim's first one is named."""
    what = f"{comparison.better} against {comparison.worse}{f', {heading}' if comparison.value else ''}"
    result = outcome(found, comparison.target)
    if found.difference is None or result == "not measured":
        return (
            f"Not measured: {what} ({counted(min(found.n_a, found.n_b), 'seed')}, at least {LEAST_SEEDS} are needed)."
        )
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
    """A share in percent, with one decimal."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points, always with its sign."""
    rounded = round(100 * difference, 1) + 0.0  # the sum has no negative zero
    return f"{rounded:+.1f}".replace("-", "−")
