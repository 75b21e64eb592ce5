"""What a set is in three sentences, its key numbers, and what a reader has to know before reading on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from promptcot.core.statistics.wilson import wilson_interval
from promptcot.core.units import counted
from promptcot.report.facts import Report
from promptcot.report.words import UNKNOWN, between, bounds, listed, money, number, percent

_MOST_LEVELS = 5


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number that is shown large: `what` it is, and `how` sure or of how many."""

    what: str
    value: str
    how: str = ""


def notices(report: Report) -> Iterator[str]:
    """The state of a run that is not simply finished."""
    if report.state == "being written":
        yield "This run is still being written. The report shows what its files held when it was made."
    elif report.state == "interrupted":
        yield "This run has not ended. The same `promptcot run` command goes on where it stopped."
    gone = [name for name in report.missing if name != "summary.json" or report.state != "interrupted"]
    if gone and report.state != "being written":
        yield f"The run directory has no {listed(gone)}, so what only these say is missing here."
    if report.damaged:
        yield f"{counted(report.damaged, 'line')} of the run’s files could not be read and are left out."


def sentences(report: Report) -> Iterator[str]:
    """What it is, how good it is, and what it took."""
    yield _what(report)
    if how := [*_how_good(report)]:
        yield f"{_upper('; '.join(how))}."
    if took := [*_clean(report), *_took(report)]:
        yield f"{_upper('; '.join(took))}."


def _what(report: Report) -> str:
    if not report.problems:
        return f"The recipe {report.name} has made no problem yet."
    levels = [
        f"{one.problems:,} of level {one.name}" for one in report.levels[:_MOST_LEVELS] if one.name != "(no level)"
    ]
    more = len(report.levels) - len(levels)
    named = f": {listed([*levels, *([f'{more} more levels'] if more and levels else [])])}" if levels else ""
    done = "has made" if report.state == "finished" else "has made so far"
    share = ""
    if report.yielded is not None:
        got, sampled = report.yielded
        became = f"{percent(got / sampled)}{between(wilson_interval(got, sampled))}"
        share = f"; {became} of {sampled:,} combinations of concepts became one"
    return f"The recipe {report.name} {done} {counted(report.problems, 'problem')}{named}{share}."


def _how_good(report: Report) -> Iterator[str]:
    for pair in report.judges[:1]:
        if pair.share is not None:
            rated = f"the {counted(pair.n, 'problem')} that they rated"
            beyond = ", including those beyond the target" if report.yielded and pair.n > report.yielded[1] else ""
            yield f"judges {pair.one} and {pair.other} agree on {percent(pair.share)} of {rated}{beyond}"
    if report.agreement.n:
        yield f"on average {percent(report.agreement.mean)} of a problem’s traces agree on its answer"
    if report.pass_rate.n:
        yield f"the mean pass rate is {percent(report.pass_rate.mean)}"


def _clean(report: Report) -> Iterator[str]:
    told = report.summary.get("contamination")
    if isinstance(told, Mapping) and isinstance(told.get("against"), Mapping) and told["against"]:
        found = sum(told.get("found", {}).values())
        names = listed([str(name) for name in told["against"]][:4])
        overlap = "overlaps" if found == 1 else "overlap"
        left_out = f"{counted(found, 'problem')} that {overlap} with them {'was' if found == 1 else 'were'} left out"
        yield f"it was compared with the problems of {names}, and {left_out if found else 'none of them was found'}"
    copies = _copies(report)
    if copies is not None:
        yield f"{counted(copies, 'copy', 'copies')} {'was' if copies == 1 else 'were'} left out"


def _copies(report: Report) -> int | None:
    told = report.summary.get("copies")
    rules = told.get("rules") if isinstance(told, Mapping) else None
    return sum(rules.values()) if isinstance(rules, Mapping) else None


def _took(report: Report) -> Iterator[str]:
    each = report.each
    if each.get("completion_tokens") is not None:
        cost = each.get("cost")
        price = f" and cost {money(cost)}" if cost is not None else ""
        yield f"each problem took {number(each['completion_tokens'])} generated tokens{price}"


def key_numbers(report: Report) -> Iterator[KeyNumber]:
    """Those that one asks for first."""
    yield KeyNumber("problems in the set", f"{report.problems:,}")
    if report.yielded is not None:
        got, sampled = report.yielded
        how = f"of {sampled:,}, {bounds(wilson_interval(got, sampled))}"
        yield KeyNumber("yield", percent(got / sampled), how)
    for what, one in (("mean pass rate", report.pass_rate), ("mean agreement", report.agreement)):
        yield KeyNumber(
            what, percent(one.mean), ", ".join(filter(None, (f"n = {one.n:,}", bounds(one.interval)))) if one.n else ""
        )
    valid = report.measure.get("validity")
    if isinstance(valid, Mapping) and valid:
        total = sum(valid.values())
        yield KeyNumber("called valid", percent(valid.get("valid", 0) / total), f"of {total:,} verified")
    concepts = report.concepts
    of = f"of {concepts.known:,}" if concepts and concepts.known else ""
    yield KeyNumber("concepts used", f"{concepts.used:,}" if concepts else UNKNOWN, of)
    cost = report.each.get("cost")
    if cost is not None:
        yield KeyNumber("cost of a problem", money(cost))
    else:
        yield KeyNumber("generated tokens a problem", number(report.each.get("completion_tokens")))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
