"""The agreement of judges as text."""

from __future__ import annotations

from collections.abc import Iterator

from promptcot.core.statistics.agreement import Agreements
from promptcot.core.units import counted


def agreement_lines(agreements: Agreements) -> Iterator[str]:
    """A line for each pair of judges: agreement and Cohen's kappa."""
    for (one, other), pair in agreements:
        if pair.share is None or pair.interval is None:
            yield f"judges {one} and {other}: agreement n/a, since no problem has a readable verdict from both"
            continue
        low, high = pair.interval
        kappa = "n/a" if pair.kappa is None else f"{pair.kappa:.2f}"
        yield (
            f"judges {one} and {other} agree on {pair.share:.0%} of {counted(pair.n, 'problem')} "
            f"(95 % interval {low:.0%} to {high:.0%}), Cohen's kappa {kappa}"
        )
