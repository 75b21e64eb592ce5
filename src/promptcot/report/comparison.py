"""Two runs side by side: the differences of their sets with intervals, their funnels, levels and recipes.

`core.measures.comparing` decides what is compared, and with which intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from promptcot import __version__
from promptcot.core.measures.comparing import Compared, compared, in_both
from promptcot.core.measures.measured import Measured
from promptcot.core.units import counted
from promptcot.errors import InputError
from promptcot.pages import charts
from promptcot.pages.templates import environment, style_values
from promptcot.pipeline.measure import measured
from promptcot.redaction import redacted
from promptcot.report.facts import Report
from promptcot.report.gathering import gather
from promptcot.report.page import funnel_rows, level_rows
from promptcot.report.sentences import notices
from promptcot.report.words import UNKNOWN, between, number, percent
from promptcot.storage.atomic import write_whole

_LONGEST = 300
_MOST_KEYS = 200


class Changed(NamedTuple):
    """A value in which two recipes differ."""

    key: str
    a: str
    b: str


def write_comparison(a: Path, b: Path, output: Path) -> Path:
    """Write the page of two runs. Raises InputError where one of them is no run, StorageError."""
    write_whole(output, comparison_html(a, b).encode("utf-8", "replace"))
    return output


def comparison_html(a: Path, b: Path) -> str:
    """The page of two runs. Where a set cannot be measured, the page has no table of differences and says why."""
    one, other = gather(a), gather(b)
    warnings = [f"{letter}: {line}" for letter, report in (("A", one), ("B", other)) for line in notices(report)]
    try:
        sets = measured(a), measured(b)
    except InputError as error:
        sets, warnings = None, [*warnings, f"The sets are not compared: {error}"]
    found = compared(*sets) if sets else []
    reach = max((_reach(one) for one in found if _is_share(one)), default=0.1)
    return (
        environment("report")
        .get_template("comparison.jinja", globals={"percent": percent, "between": between})
        .render(
            a=one,
            b=other,
            title=" and ".join(_names(one, other)),
            notices=warnings,
            lead=_lead(one, other, sets),
            rows=[_row(one, reach) for one in found],
            note=_note(found) if sets else "",
            sides=[
                _side(f"{letter}: {name}", report)
                for letter, name, report in zip("AB", _names(one, other), (one, other), strict=True)
            ],
            changed=[*changes(one.recipe or {}, other.recipe or {})][:_MOST_KEYS]
            if one.recipe and other.recipe
            else [],
            known=bool(one.recipe and other.recipe),
            made=f"Made by promptcot {__version__}.",
            **style_values(),
        )
    )


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Changed]:
    """The values in which two recipes differ, by dotted key."""
    one, other = dict(_flat(a)), dict(_flat(b))
    for key in dict.fromkeys((*one, *other)):
        if one.get(key) != other.get(key):
            yield Changed(key, *(_short(values.get(key)) if key in values else "–" for values in (one, other)))


def _flat(table: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(table, Mapping) and table:
        for name, value in table.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(table, list) and any(isinstance(one, Mapping) for one in table):
        for place, value in enumerate(table):
            name = value.get("name", place) if isinstance(value, Mapping) else place
            yield from _flat(value, f"{key}.{name}")
    else:
        yield key, table


def _short(value: Any) -> str:
    text = redacted(str(value))
    return f"{text[:_LONGEST]} …" if len(text) > _LONGEST else text


def _lead(a: Report, b: Report, sets: tuple[Measured, Measured] | None) -> str:
    sizes = f"A has {counted(a.problems, 'problem')}, B has {counted(b.problems, 'problem')}"
    if sets is None:
        return f"{sizes}."
    both = in_both(*sets)
    return (
        f"{sizes}; {counted(both, 'problem')} {'is' if both == 1 else 'are'} in both."
        if both
        else (f"{sizes}; no problem is in both.")
    )


def _note(found: Sequence[Compared]) -> str:
    tried = [one for one in found if one.difference.interval is not None]
    clear = sum(one.difference.is_clear for one in tried)
    return (
        f"{clear} of {len(tried)} differences with an interval {'is' if clear == 1 else 'are'} clear; for two equal "
        f"sets, about {0.05 * len(tried):.1f} would be clear by chance. Intervals are Newcombe's for shares and Welch's"
        " for means. Measures that grow with the size of a set are compared on equally many problems and have no"
        " interval."
    )


def _row(one: Compared, share_reach: float) -> Mapping[str, Any]:
    """One row of the table. All shares have the same scale, which ends at `share_reach`."""
    found, share = one.difference, _is_share(one)
    value = percent if share else number
    reach = share_reach if share else _reach(one)
    drawn = (
        charts.interval(found.difference, found.interval, one.name, ends=(-reach, reach), zero=True)
        if found.interval
        else Markup("")
    )
    return {
        "name": one.name,
        "a": value(found.a) if found.a is not None else UNKNOWN,
        "b": value(found.b) if found.b is not None else UNKNOWN,
        "gap": _signed(found.difference, share),
        "interval": f"{_signed(found.interval[0], share)} to {_signed(found.interval[1], share)}"
        if found.interval
        else "–",
        "drawn": drawn,
        "is_clear": "" if found.interval is None else "yes" if found.is_clear else "no",
    }


def _is_share(one: Compared) -> bool:
    return one.kind == "share" or one.name in ("pass rate", "agreement")


def _reach(one: Compared) -> float:
    """The larger end of an interval, without its sign."""
    interval = one.difference.interval
    return (max(map(abs, interval)) or 1.0) if interval else 0.0


def _signed(value: float | None, share: bool) -> str:
    if value is None:
        return "–"
    text = f"{100 * value:+.1f}" if share else f"{value:+,.3g}" if abs(value) < 1000 else f"{value:+,.0f}"
    return text.replace("-", "−")


def _names(a: Report, b: Report) -> tuple[str, str]:
    """The names of two runs: those of their recipes, or of their directories if the recipes have the same name."""
    if a.name != b.name:
        return a.name, b.name
    one, other = Path(a.directory).resolve().name, Path(b.directory).resolve().name
    return (one, other) if one != other else (a.directory, b.directory)


def _side(title: str, report: Report) -> Mapping[str, Any]:
    return {"title": title, "funnel": funnel_rows(report.steps), "levels": level_rows(report)}
