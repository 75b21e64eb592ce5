"""The top of a report: notices about the state of the run, the set in three sentences, and its key numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptcot.core import fields
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.core.units import counted
from promptcot.report.facts import Report
from promptcot.report.words import UNKNOWN, between, bounds, listed, money, number, percent

_MOST_LEVELS, _LONGEST_LEVEL = 5, 60
_MOST_FILES = 12
_MOST_BENCHMARKS = 4


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number in large type: `what` it is, and `how` certain, or of how many."""

    what: str
    value: str
    how: str = ""


def notices(report: Report) -> Iterator[str]:
    """The state of a run that is not simply finished."""
    if report.state == "being written":
        yield "This run is still being written. The report shows the contents of its files at the time it was made."
    elif report.state == "interrupted":
        yield "This run has not finished. The same `promptcot run` command continues it."
    gone = [name for name in report.missing if name != "summary.json" or report.state != "interrupted"]
    if gone and report.state != "being written":
        more = [f"{len(gone) - _MOST_FILES:,} more files"] if len(gone) > _MOST_FILES else []
        names = listed([*gone[:_MOST_FILES], *more])
        yield f"Files of the run directory are missing, with everything that only they contain: {names}."
    if report.damaged:
        were = "was" if report.damaged == 1 else "were"
        yield f"{counted(report.damaged, 'line')} of the run’s files could not be read and {were} skipped."
    if report.repeated:
        have = "row of the set has" if report.repeated == 1 else "rows of the set have"
        yield f"{report.repeated:,} {have} an id that is already taken, so problems are counted twice."
    if report.rejected:
        were = "was" if report.rejected == 1 else "were"
        yield (
            f"{counted(report.rejected, 'problem')} counted here {were} rejected by reviewers. "
            "The next `promptcot run` into this directory drops them."
        )


def sentences(report: Report) -> Iterator[str]:
    """What the set is, how good it is, and what it cost."""
    yield _what(report)
    if how := [*_how_good(report)]:
        yield f"{_upper('; '.join(how))}."
    if took := [*_clean(report), *_took(report)]:
        yield f"{_upper('; '.join(took))}."


def _what(report: Report) -> str:
    ended = report.state in ("finished", "incomplete")
    if not report.problems:
        return f"The recipe {report.name} has made no problem{'' if ended else ' yet'}."
    share = ""
    if report.yielded is not None:
        got, sampled = report.yielded
        became = f"{percent(got / sampled)}{between(wilson_interval(got, sampled))}"
        share = f"; {became} of {sampled:,} combinations of concepts became a problem"
    so_far = "" if ended else " so far"
    so_far += f", counted after the step {report.through}" if report.through else ""
    problems = counted(report.problems, "problem")
    return f"The recipe {report.name} has made {problems}{so_far}{_by_level(report)}{share}."


def _by_level(report: Report) -> str:
    names = [(one.name[:_LONGEST_LEVEL], one.problems) for one in report.levels if one.name is not None]
    shown = [f"{problems:,} of level {name}" for name, problems in names[:_MOST_LEVELS]]
    more = len(names) - len(shown) + report.more_levels
    return f": {listed([*shown, *([counted(more, 'more level')] if more else [])])}" if shown else ""


def _how_good(report: Report) -> Iterator[str]:
    for pair in report.judges[:1]:
        if pair.share is not None:
            rated = f"the {counted(pair.n, 'problem')} that both rated"
            beyond = ", including those beyond the target" if report.yielded and pair.n > report.yielded[1] else ""
            yield f"judges {pair.one} and {pair.other} agree on {percent(pair.share)} of {rated}{beyond}"
    if report.agreement.n:
        yield f"on average {percent(report.agreement.mean)} of a problem’s traces agree on its answer"
    if report.pass_rate.n:
        yield f"the mean pass rate is {percent(report.pass_rate.mean)}"


def _clean(report: Report) -> Iterator[str]:
    against = [*fields.counts(fields.mapping(report.summary.get("contamination")).get("against"))]
    if against:
        found = report.lost_in("decontaminate") or 0
        more = [f"{len(against) - _MOST_BENCHMARKS} more"] if len(against) > _MOST_BENCHMARKS else []
        names = listed([*against[:_MOST_BENCHMARKS], *more])
        overlapping = f"{counted(found, 'overlapping problem')} {'was' if found == 1 else 'were'} left out"
        benchmarks = "benchmark" if len(against) == 1 else "benchmarks"
        outcome = overlapping if found else "no overlap was found"
        yield f"the set was compared with the {benchmarks} {names}, and {outcome}"
    copies = report.lost_in("dedup")
    if copies is not None:
        words = f"{counted(copies, 'copy', 'copies')} {'was' if copies == 1 else 'were'} left out"
        yield words if copies else "no problem was left out as a copy"


def _took(report: Report) -> Iterator[str]:
    each = report.each
    if each.get("completion_tokens") is not None:
        cost = each.get("cost")
        price = f" and cost {money(cost)}" if cost is not None else ""
        yield f"each problem took {number(each['completion_tokens'])} generated tokens{price}"


def key_numbers(report: Report) -> Iterator[KeyNumber]:
    """The numbers that most readers look for first."""
    ended = report.state in ("finished", "incomplete")
    yield KeyNumber("problems in the set" if ended else "problems so far", f"{report.problems:,}")
    if report.yielded is not None:
        got, sampled = report.yielded
        how = f"of {sampled:,}, {bounds(wilson_interval(got, sampled))}"
        yield KeyNumber("yield", percent(got / sampled), how)
    for what, one in (("mean pass rate", report.pass_rate), ("mean agreement", report.agreement)):
        yield KeyNumber(
            what, percent(one.mean), ", ".join(filter(None, (f"n = {one.n:,}", bounds(one.interval)))) if one.n else ""
        )
    valid = fields.counts(report.measure.get("validity"))
    if total := sum(valid.values()):
        yield KeyNumber("called valid", percent(valid.get("valid", 0) / total), f"of {total:,} verified")
    concepts = report.concepts
    of = f"of {concepts.known:,}" if concepts and concepts.known else ""
    yield KeyNumber("concepts used", f"{concepts.used:,}" if concepts else UNKNOWN, of)
    cost = report.each.get("cost")
    if cost is not None:
        yield KeyNumber("cost per problem", money(cost))
    else:
        yield KeyNumber("generated tokens per problem", number(report.each.get("completion_tokens")))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
