"""The results of an evaluation as text: accuracy with its spread and interval, pass@k, shares, tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptcot.cli.report.layout import bounds, mean_sd, percent, points
from promptcot.cli.report.tables import table
from promptcot.core.statistics import AtK, Comparison, Estimate, Share, Summary
from promptcot.core.units import counted
from promptcot.evaluation.results import Evaluated


def summary_lines(name: str, summaries: Sequence[Summary]) -> Iterator[str]:
    """A block for each source."""
    if not summaries:
        yield f"{name}: no predictions, so accuracy is n/a"
    for summary in summaries:
        yield f"{summary.source}: {_counts(summary)}"
        yield f"  accuracy      {_runs(summary)}; {_interval(summary.accuracy)}"
        if _differ(summary):
            yield (
                f"  averaged over problems: {percent(summary.accuracy.mean)}, to which the interval belongs, because "
                "runs differ in size"
            )
        yield f"  pass@k        {_all_at_k(summary.pass_at)}"
        yield f"  majority@k    {_all_at_k(summary.majority_at)}"
        yield (
            f"  no answer     {share(summary.no_answer)}, truncated {share(summary.truncated)}, "
            f"grader timeouts {share(summary.timeouts)}"
        )
        yield f"  tokens        mean {_number(summary.mean_tokens)}, median {_number(summary.median_tokens)}"
        yield from (f"  note: {note}" for note in summary.notes)


def comparison_lines(found: Comparison) -> Iterator[str]:
    """The comparison of B with A on one source."""
    yield (
        f"{found.source}: B - A {points(found.difference.mean)} points, {_interval(found.difference)}; "
        f"A {percent(found.mean_a)}, B {percent(found.mean_b)} on the same {counted(found.difference.n, 'problem')}"
    )
    yield f"  B is better on {counted(found.better, 'problem')}, worse on {found.worse:,}, equal on {found.equal:,}"
    if found.only_a or found.only_b:
        yield f"  left out: {counted(found.only_a, 'problem')} only in A, {found.only_b:,} only in B"


def result_lines(results: Sequence[Evaluated], width: int | None = None) -> Iterator[str]:
    """A table with a line for each benchmark, the published value last."""
    rows = [("benchmark", "problems", "samples", "accuracy, % (mean ± SD over runs)", "95 % interval", "published")]
    for one in results:
        runs, interval = one.summary.runs, one.summary.accuracy.interval
        counts = (f"{one.summary.problems:,}", f"{one.summary.samples:,}")
        rows.append((one.benchmark, *counts, mean_sd(runs.mean, runs.sd), bounds(interval), _printed(one)))
    yield from table(rows, width=width)


def _printed(one: Evaluated) -> str:
    found = one.printed
    if found is None:
        return "n/a"
    other = "" if found.benchmark == one.benchmark else f" (on {found.benchmark}, a different set)"
    return mean_sd(found.mean, found.sd) + other


def share(of: Share) -> str:
    """A share with its counts."""
    return f"{percent(of.value)} ({of.count:,} of {of.n:,})"


def _differ(summary: Summary) -> bool:
    """Whether the mean over runs differs from the mean over problems, as with unequal numbers of samples."""
    one, other = summary.runs.mean, summary.accuracy.mean
    return one is not None and other is not None and abs(one - other) > 5e-4


def _counts(summary: Summary) -> str:
    each = ", ".join(f"{problems:,} with {samples:,}" for samples, problems in summary.samples_per_problem.items())
    samples = f" ({each})" if len(summary.samples_per_problem) > 1 else ""
    return f"{counted(summary.problems, 'problem')}, {counted(summary.samples, 'sample')}{samples}"


def _runs(summary: Summary) -> str:
    runs = summary.runs
    if runs.mean is None:
        return "n/a"
    spread = "" if runs.sd is None else f" ± {100 * runs.sd:.1f}"
    count = len(runs.runs)
    return f"{percent(runs.mean)}{spread} (mean{' ± SD' if spread else ''} over {count} run{'s' if count > 1 else ''})"


def _interval(estimate: Estimate) -> str:
    if estimate.interval is None or estimate.standard_error is None:
        return "95 % interval over problems n/a"
    error = f"standard error {100 * estimate.standard_error:.1f}"
    return f"{error}, 95 % interval over problems {bounds(estimate.interval)}"


def _all_at_k(found: Sequence[AtK]) -> str:
    return ", ".join(f"{one.k}: {_at_k(one)}" for one in found) or "n/a"


def _at_k(found: AtK) -> str:
    if found.estimate.mean is None:
        return f"n/a ({found.reason})"
    return percent(found.estimate.mean) + (f" ({found.reason})" if found.reason else "")


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.0f}"
