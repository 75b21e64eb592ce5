"""The HTML of a report, section by section. What is shown of a run is decided in `gathering`, the shapes in `pages`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from promptcot import __version__
from promptcot.core.criteria import RATINGS
from promptcot.core.history import History
from promptcot.core.units import counted
from promptcot.pages import charts
from promptcot.pages.formulas import Formulas
from promptcot.pages.problem import problem_html, shortened
from promptcot.pages.templates import environment, style_values
from promptcot.redaction import redacted
from promptcot.report.facts import JudgePair, Report, StepCount
from promptcot.report.sentences import key_numbers, notices, sentences
from promptcot.report.words import (
    UNKNOWN,
    band_name,
    between,
    duration,
    money,
    number,
    percent,
    reasons,
    step_name,
)

LONGEST, SHORT = 4_000, 400
"""Characters of one text that are shown; a trace may have a hundred times as many. The smaller number is for what comes
when a page is long already: formulas take twenty times the characters of their source.
"""
_LONG_PAGE = 2_000_000
_TRACES = 3
_CONCEPTS = 15
_BEYOND = "beyond target"

ABSENT = {
    "validity": (
        "verify",
        "Whether problems are well-posed was not voted on; a section [verify] in the recipe adds it.",
    ),
    "copies": ("dedup", "Copies were not looked for; a section [dedup] in the recipe adds that."),
    "contamination": (
        "decontaminate",
        "Problems of benchmarks were not looked for; a section [decontaminate] in the recipe adds that.",
    ),
    "pass rates": ("label", "Problems have no answers and no pass rates; the sections [solve] and [label] add them."),
    "selection": ("select", "No problems were selected by difficulty; a section [select] in the recipe does that."),
}
"""What a report lacks without some step, and which section of a recipe would add it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page, with its anchor."""

    key: str
    title: str
    html: Markup


@dataclass(frozen=True, slots=True)
class Cell:
    """A count in a table, with its shade of 0 to 4."""

    count: int
    shade: int


@dataclass(frozen=True, slots=True)
class Line:
    """A row of such a table."""

    name: str
    cells: Sequence[Cell]
    n: int


def report_html(report: Report) -> str:
    """The whole page."""
    formulas = Formulas()
    shown = [*_sections(report, formulas)]
    return (
        environment("report")
        .get_template("report.jinja")
        .render(
            it=report,
            title=f"{report.name}: {counted(report.problems, 'problem')}",
            notices=[*notices(report)],
            sentences=[*sentences(report)],
            numbers=[*key_numbers(report)],
            sections=shown,
            absent=[words for step, words in ABSENT.values() if not report.has(step)],
            formulas=formulas,
            unknown=UNKNOWN,
            made=f"Made by promptcot {__version__}.",
            **style_values(),
        )
    )


def _sections(report: Report, formulas: Formulas) -> Iterator[Section]:
    parts: Any = (
        environment("report").get_template("parts.jinja", globals={"percent": percent, "between": between}).module
    )
    articles = _Articles(formulas, f"shown by: promptcot show {report.directory} ID")
    yield Section("funnel", "From combinations to problems", parts.funnel(funnel_rows(report.steps)))
    if report.problems:
        yield Section(
            "levels", "Levels and pass rates", parts.levels(level_rows(report), _rates(report), report.pass_rate)
        )
    if report.validity:
        yield Section("validity", "Validity and agreement", parts.validity(_validity(report.validity)))
    if report.judges:
        disputed = [articles.of(one) for one in report.disputed]
        yield Section("judges", "Judges", parts.judges([*map(_judges, report.judges)], disputed))
    if report.concepts is not None:
        yield Section("concepts", "Concepts", _concepts(report, parts))
    if report.has("dedup") or report.has("decontaminate") or report.measure.get("near_copies"):
        yield Section("copies", "Copies and benchmarks", _likeness(report, parts, articles.html))
    if report.spent:
        yield Section("cost", "Cost and time", _spent(report, parts))
    if report.recipe is not None:
        yield Section("recipe", "Recipe", _recipe(report, parts))
    if shown := [articles.of(one.history, one.why) for one in report.chosen]:
        yield Section("problems", "Problems", parts.problems(shown))


class _Articles:
    """Problems and texts as HTML, which are cut the shorter the longer a page is already."""

    def __init__(self, formulas: Formulas, whole: str) -> None:
        self._formulas, self._whole = formulas, whole
        self._size = 0

    @property
    def _longest(self) -> int:
        return LONGEST if self._size < _LONG_PAGE else SHORT

    def of(self, history: History, why: str | None = None) -> Markup:
        bounds: dict[str, Any] = {"longest": self._longest, "most_traces": _TRACES, "whole": self._whole}
        return self._counted(problem_html(history, self._formulas, note=why, **bounds))

    def html(self, text: str) -> Markup:
        return self._counted(shortened(text, self._formulas, self._longest, self._whole))

    def _counted(self, made: Markup) -> Markup:
        self._size += len(made)
        return made


def funnel_rows(steps: Sequence[StepCount]) -> list[dict[str, Any]]:
    """How many came through each step, and what was left out there."""
    sampled = next((one.out for one in steps if one.name == "sample"), 0) or max((one.out for one in steps), default=0)
    rows: list[dict[str, Any]] = []
    before = sampled
    for one in steps:
        lost = {reason: count for reason, count in one.dropped.items() if reason != _BEYOND}
        failed = f"failed: {reasons(one.failed)}" if one.failed else ""
        share = one.out / sampled if sampled else 0.0
        name = f"{step_name(one.name)}: {one.out:,} of {sampled:,}"
        rows.append(
            {
                "name": step_name(one.name),
                "out": one.out,
                "share": percent(share) if sampled else "–",
                "bar": charts.bar(share, name, soft=before / sampled if sampled else 0.0),
                "lost": "; ".join(filter(None, (reasons(lost), failed))),
            }
        )
        before = one.out
    return rows


def level_rows(report: Report) -> list[dict[str, Any]]:
    """The levels with their counts and mean pass rates."""
    most = max((one.problems for one in report.levels), default=1)
    rows: list[dict[str, Any]] = []
    for one in report.levels:
        rate = one.pass_rate
        drawn = charts.interval(rate.mean, rate.interval, f"mean pass rate of {one.name}: {percent(rate.mean)}")
        bar = charts.bar(one.problems / most, f"{one.name}: {counted(one.problems, 'problem')}")
        rows.append(
            {
                "name": one.name,
                "problems": one.problems,
                "bar": bar,
                "pass_rate": rate,
                "interval": drawn if rate.n else "",
            }
        )
    return rows


def _rates(report: Report) -> Markup | None:
    if not report.pass_rates:
        return None
    spans = [(f"{span['high']:.0%}".rstrip("%"), int(span["count"])) for span in report.pass_rates]
    about = "; ".join(f"{count:,} up to {label}%" for label, count in spans if count)
    labelled = [(f"≤{label}%" if place == 0 else label, count) for place, (label, count) in enumerate(spans)]
    return charts.histogram(labelled, "Problems by pass rate", about)


def _validity(table: Mapping[str, Mapping[str, int]]) -> Mapping[str, Any]:
    bands = [*dict.fromkeys(band for row in table.values() for band in row)]
    most = max((count for row in table.values() for count in row.values()), default=0)
    rows = [_line(verdict, [row.get(band, 0) for band in bands], most) for verdict, row in table.items()]
    return {"bands": [*map(band_name, bands)], "rows": rows}


def _judges(pair: JudgePair) -> Mapping[str, Any]:
    words = [word for word in RATINGS if any(word in both for both in pair.verdicts)]
    most = max(pair.verdicts.values(), default=0)
    criteria = [
        {
            "name": name.replace("_", " "),
            "share": same / n,
            "n": n,
            "bar": charts.bar(same / n, f"{name}: {same} of {n}"),
        }
        for name, (same, n) in pair.criteria.items()
        if n
    ]
    fields = {name: getattr(pair, name) for name in ("one", "other", "n", "share", "interval", "kappa")}
    table = [_line(word, [pair.verdicts.get((word, other), 0) for other in words], most) for word in words]
    return {**fields, "words": words, "table": table, "counted": sum(pair.verdicts.values()), "criteria": criteria}


def _line(name: str, counts: Sequence[int], most: int) -> Line:
    return Line(name, [Cell(count, _shade(count / most if most else 0.0)) for count in counts], sum(counts))


def _shade(share: float) -> int:
    return 0 if share <= 0 else 1 if share < 0.1 else 2 if share < 0.4 else 3 if share < 1 else 4


def _concepts(report: Report, parts: Any) -> Markup:
    found = report.concepts
    assert found is not None
    most = found.counts[0][1]
    told = f"{counted(found.used, 'concept')} used" + (f" of {found.known:,}" if found.known else "")
    squares = charts.squares([count for _, count in found.counts], found.known, "Concepts covered", told)
    rows = [
        {"name": name, "count": count, "bar": charts.bar(count / most, f"{name}: {counted(count, 'problem')}")}
        for name, count in found.counts[:_CONCEPTS]
    ]
    return Markup(parts.concepts(found, squares, rows))


def _likeness(report: Report, parts: Any, html: Any) -> Markup:
    near = report.measure.get("near_copies")
    lines = [*_copy_lines(report.summary.get("copies")), *_benchmark_lines(report.summary.get("contamination"))]
    return Markup(parts.likeness(lines, near, report.copies, report.contaminated, html))


def _copy_lines(told: Any) -> Iterator[str]:
    if isinstance(told, Mapping) and isinstance(told.get("rules"), Mapping):
        rules = told["rules"]
        by_rule = f", by rule: {', '.join(f'{name} {count:,}' for name, count in rules.items())}" if rules else ""
        yield f"Copies found in the run, those beyond its target too: {sum(rules.values()):,}{by_rule}."
    if isinstance(told, Mapping) and told.get("alike_but_for_numbers"):
        kept = "they were left out" if told.get("mask_numbers") else "they were kept"
        yield f"{told['alike_but_for_numbers']:,} problems are like another one but for their numbers; {kept}."


def _benchmark_lines(told: Any) -> Iterator[str]:
    if not isinstance(told, Mapping):
        return
    against, found = told.get("against") or {}, told.get("found") or {}
    if against:
        names = ", ".join(
            f"{name} ({count:,} problems, {found.get(name, 0):,} found)" for name, count in against.items()
        )
        yield f"Compared with benchmarks: {names}."
    if told.get("not_at_hand"):
        yield f"Benchmarks that were not at hand: {', '.join(map(str, told['not_at_hand']))}."


def _spent(report: Report, parts: Any) -> Markup:
    rows = [
        {
            "step": one.step,
            "models": one.models,
            "calls": one.calls,
            "prompt_tokens": one.prompt_tokens,
            "completion_tokens": one.completion_tokens,
            "cost": money(one.cost),
            "time": duration(one.seconds),
        }
        for one in report.spent
    ]
    costs = [one.cost for one in report.spent if one.cost is not None]
    keys = ("calls", "prompt_tokens", "completion_tokens")
    total = {key: sum(getattr(one, key) for one in report.spent) for key in keys}
    each = report.each
    told = {**{key: number(each.get(key)) for key in keys}, "cost": money(each.get("cost"))} if each else None
    free = [one.step for one in report.spent if one.cost is None]
    unpriced = f"Without a price: {', '.join(free)}." if costs and free else ""
    return Markup(parts.spent(rows, {**total, "cost": money(sum(costs) if costs else None)}, told, unpriced))


def _recipe(report: Report, parts: Any) -> Markup:
    made = report.summary.get("made")
    made = made if isinstance(made, Mapping) else {}
    found = made.get("versions")
    versions = ", ".join(f"{name} {version}" for name, version in found.items()) if isinstance(found, Mapping) else ""
    text = redacted(json.dumps(report.recipe, indent=2, ensure_ascii=False, default=str))
    command = made.get("command")
    return Markup(parts.recipe(text, redacted(command) if isinstance(command, str) else "", versions))
