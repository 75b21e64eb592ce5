"""The results of a chain as text: students compared, and generators before and after training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptcot.chains.closing import Students, Written
from promptcot.cli.report.layout import bounds, mean_sd, percent, points
from promptcot.cli.report.tables import table
from promptcot.core.statistics import Share
from promptcot.core.statistics.wilson import wilson_interval


def student_lines(found: Students) -> Iterator[str]:
    """A table of the students, and one of the gains, paired by problem."""
    yield f"{found.benchmark}: accuracy over problems, and its 95 % interval"
    head = ("student", "model", "problems", "samples", "accuracy, % (mean ± SD over runs)", "95 % interval")
    rows = [head]
    for which, one in found.summaries.items():
        counts = (f"{one.problems:,}", f"{one.samples:,}")
        runs = mean_sd(one.runs.mean, one.runs.sd)
        rows.append((which, found.models[which], *counts, runs, bounds(one.accuracy.interval)))
    yield from table(rows)
    yield ""
    gains = [("gain", "problems", "points", "95 % interval")]
    for name, gain in found.gains.items():
        difference = gain.difference
        gains.append((name, f"{difference.n:,}", points(difference.mean), bounds(difference.interval, sign="+")))
    yield from table(gains)


def generator_lines(found: Mapping[str, Written]) -> Iterator[str]:
    """A table with a row for each set of completions."""
    rows = [("generator", "prompts", "readable", "well-posed", "well-posed with its concepts")]
    for name, one in found.items():
        rows.append((name, f"{one.readable.n:,}", _share(one.readable), _share(one.well_posed), _share(one.as_asked)))
    known = any(one.well_posed is not None for one in found.values())
    yield from table(rows if known else [row[:3] for row in rows])
    yield "shares of prompts with their 95 % intervals"


def _share(share: Share | None) -> str:
    if share is None or share.value is None:
        return "n/a"
    return f"{share.count:,} = {percent(share.value)} ({bounds(wilson_interval(share.count, share.n))})"
