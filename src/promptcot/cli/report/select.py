"""The text of `select`: the pass rates of the input, the requested and actual composition, and why no row was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptcot.cli.report.console import percent
from promptcot.cli.report.streams import STREAMS
from promptcot.cli.report.tables import table
from promptcot.core.remedies import shown
from promptcot.core.units import counted

_WIDTH = 30
_BEFORE_BAR = 22
_MOST_LEVELS = 40


def selection_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The lines about a selection; none if the input had no row."""
    if not told:
        return
    yield from _pass_rates(told)
    yield from _shares("difficulty", told["difficulty"])
    if len(told["levels"]) > 1 or any(one["asked"] is not None for one in told["levels"]):
        yield from _shares("level", told["levels"])
    concepts = told["concepts"]
    if concepts["there"]:
        yield f"concepts: {concepts['in_set']:,} of {concepts['there']:,} available"
    yield from _size(told)
    if told["nearest_band"] is not None:
        nearest = told["nearest_band"]
        yield (
            f"no pass rate is in the band {told['band']}; the nearest band that keeps problems is "
            f"{nearest['band']}, with {nearest['problems']:,}"
        )


def _pass_rates(told: Mapping[str, Any]) -> Iterator[str]:
    spans, models = told["pass_rates"], told["models"]
    total = sum(span["count"] for span in spans)
    named = ", ".join(f"{shown(name)}: {counted(rows, 'row')}" for name, rows in models.items())
    whose = f" by {shown(told['model'])}" if told["model"] else ""
    yield f"pass rates{whose} of {counted(total, 'problem')} with an agreed answer{f' ({named})' if named else ''}"
    room = min(_WIDTH, max(STREAMS.width - _BEFORE_BAR, 1))
    most = max((span["count"] for span in spans), default=0)
    for span in spans:
        bar = "#" * -(-span["count"] * room // most)
        yield f"  {span['low']:.1f}-{span['high']:.1f} {span['count']:>9,}  {bar}".rstrip()
    traces = told["traces"]
    if traces is not None:
        low, high = traces["interval"]
        yield (
            f"  a pass rate of {traces['typical']:.2f} over n = {traces['median']} "
            f"{'trace' if traces['median'] == 1 else 'traces'} means a true rate between "
            f"{low:.2f} and {high:.2f} (95 % interval; n is {_span(traces['least'], traces['most'])})"
        )


def _span(least: int, most: int) -> str:
    return f"{least} everywhere" if least == most else f"{least} to {most}"


def _shares(what: str, shares: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not shares:
        return
    total = sum(one["got"] for one in shares)
    rows = [(what, "requested", "actual", "problems", "available")]
    for one in shares[:_MOST_LEVELS]:
        asked = "-" if one["asked"] is None else f"{one['asked']:.0%}"
        got = percent(one["got"], total)
        rows.append((shown(one["name"]), asked, got, f"{one['got']:,}", f"{one['there']:,}"))
    yield from table(rows)
    if len(shares) > _MOST_LEVELS:
        yield f"and {len(shares) - _MOST_LEVELS:,} more"


def _size(told: Mapping[str, Any]) -> Iterator[str]:
    asked, got = told["size"]["asked"], told["size"]["got"]
    if "concepts" in told["balance"] and got and got == sum(one["there"] for one in told["levels"]):
        yield "balancing concepts has no effect here: every eligible problem is taken; set a smaller --size"
    if asked is not None and got < asked:
        yield f"{got:,} of {asked:,} requested problems: no more can be kept"
    shares = [*told["difficulty"], *told["levels"]]
    scarce = [one for one in shares if one["asked"] and one["there"] and one["got"] == one["there"]]
    if asked is None and got < sum(one["there"] for one in told["levels"]) and scarce:
        named = ", ".join(shown(one["name"]) for one in scarce)
        yield (
            f"these shares allow no more than {counted(got, 'problem')}: all problems of {named} are taken; set --size "
            "to allow other shares"
        )
