"""Words for the end of a chain: students side by side, and what a generator writes before and after its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptcot.chains.closing import Students, Written
from promptcot.cli.report.layout import aligned
from promptcot.core.statistics import Comparison, Estimate, Share
from promptcot.core.statistics.wilson import wilson_interval

_NA = "n/a"


def student_lines(found: Students) -> Iterator[str]:
    """A line for each student, and one for each gain, paired by problem."""
    yield f"{found.benchmark}: accuracy over problems, and its 95 % interval"
    head = ("student", "model", "problems", "samples", "accuracy, % (mean ± SD over runs)", "95 % interval")
    table = [head]
    for which, one in found.summaries.items():
        counts = (f"{one.problems:,}", f"{one.samples:,}")
        mean = _NA if one.runs.mean is None else f"{100 * one.runs.mean:.1f}"
        spread = "" if one.runs.sd is None else f" ± {100 * one.runs.sd:.1f}"
        table.append((which, found.models[which], *counts, mean + spread, _bounds(one.accuracy.interval)))
    yield from aligned(table)
    yield ""
    yield from aligned([("gain", "problems", "points", "95 % interval"), *_gains(found.gains)])


def _gains(gains: Mapping[str, Comparison]) -> Iterator[tuple[str, ...]]:
    for name, gain in gains.items():
        yield (name, f"{gain.difference.n:,}", _signed(gain.difference), _bounds(gain.difference.interval, sign="+"))


def generator_lines(found: Mapping[str, Written]) -> Iterator[str]:
    """A line for each set of written problems."""
    table = [("generator", "prompts", "readable", "well-posed", "well-posed with its concepts")]
    for name, one in found.items():
        table.append((name, f"{one.readable.n:,}", _share(one.readable), _share(one.well_posed), _share(one.as_asked)))
    known = any(one.well_posed is not None for one in found.values())
    yield from aligned(table if known else [row[:3] for row in table])
    yield "shares with their 95 % intervals; n is the number of prompts"


def _share(share: Share | None) -> str:
    if share is None or share.value is None:
        return _NA
    return f"{share.count:,} = {100 * share.value:.1f} % ({_bounds(wilson_interval(share.count, share.n))})"


def _signed(estimate: Estimate) -> str:
    return _NA if estimate.mean is None else f"{100 * estimate.mean:+.1f}"


def _bounds(interval: tuple[float, float] | None, sign: str = "") -> str:
    if interval is None:
        return _NA
    low, high = (100 * bound for bound in interval)
    return f"{low:{sign}.1f} to {high:{sign}.1f}"
