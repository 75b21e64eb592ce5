"""Writes the HTML of a report, section by section. `gathering` decides what is shown, `pages` how it looks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from promptcot import __version__
from promptcot.core import fields
from promptcot.core.criteria import RATINGS
from promptcot.core.history import History
from promptcot.core.units import counted
from promptcot.nano.worth import NAMED
from promptcot.pages import charts
from promptcot.pages.formulas import Formulas
from promptcot.pages.problem import problem_html, shortened
from promptcot.pages.templates import environment, style_values
from promptcot.printable import quoted
from promptcot.redaction import redacted
from promptcot.report.facts import JudgePair, Report, StepCount
from promptcot.report.sentences import key_numbers, notices, sentences
from promptcot.report.truth import truth_table, wrong_rows
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
from promptcot.storage.reviews import Review

LONGEST, SHORT = 4_000, 400
"""Characters of one text that are shown; a trace may have a hundred times as many. The smaller number applies once a
page is long: formulas take twenty times the characters of their source.
"""
_LONG_PAGE = 2_000_000
_TRACES = 3
_CONCEPTS = 15
_PAIRS = 20
_THRESHOLDS = (0.5, 0.7, 0.85, 0.95)
_LONGEST_RECIPE, _LONGEST_NAME = 200_000, 120

ABSENT = {
    "validity": (
        "verify",
        "Votes on whether problems are well-posed; a section [verify] in the recipe adds them.",
    ),
    "copies": ("dedup", "A search for copies; a section [dedup] in the recipe adds it."),
    "contamination": (
        "decontaminate",
        "A comparison with benchmarks; a section [decontaminate] in the recipe adds it.",
    ),
    "pass rates": ("label", "Answers and pass rates; the sections [solve] and [label] in the recipe add them."),
    "selection": ("select", "A selection by difficulty; a section [select] in the recipe adds it."),
}
"""What a report lacks without a step, and which section of a recipe adds it."""


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
    articles = _Articles(formulas, report)
    sampled = next((one for one in report.steps if one.name == "sample"), None)
    beyond = sampled.beyond if sampled else 0
    yield Section("funnel", "From combinations to problems", parts.funnel(funnel_rows(report.steps), beyond))
    if truth := truth_table(report.truth):
        command = f"promptcot nano check {shlex.quote(report.directory)} --wrong"
        wrong = [*wrong_rows(report.truth)]
        yield Section("truth", "What is true of it", parts.truth(truth, wrong, len(wrong) == NAMED, command))
    if report.problems:
        yield Section(
            "levels", "Levels and pass rates", parts.levels(level_rows(report), _rates(report), report.pass_rate)
        )
    if report.validity:
        yield Section("validity", "Validity and agreement", parts.validity(_validity(report.validity)))
    if report.judges:
        disputed = [articles.of(one) for one in report.disputed]
        pairs = [*map(_judges, report.judges[:_PAIRS])]
        yield Section("judges", "Judges", parts.judges(pairs, len(report.judges) - len(pairs), disputed))
    if report.concepts is not None:
        yield Section("concepts", "Concepts", _concepts(report, parts))
    if report.has("dedup") or report.has("decontaminate") or fields.mapping(report.measure.get("near_copies")):
        yield Section("copies", "Copies and benchmarks", _likeness(report, parts, articles.html))
    if report.spent:
        yield Section("cost", "Cost and time", _spent(report, parts))
    if report.recipe is not None:
        yield Section("recipe", "Recipe", _recipe(report, parts))
    if shown := [articles.of(one.history, one.why) for one in report.chosen]:
        yield Section("problems", "Problems", parts.problems(shown))


class _Articles:
    """Problems and texts as HTML. Once the page is long, texts are cut shorter."""

    def __init__(self, formulas: Formulas, report: Report) -> None:
        self._formulas, self._reviews = formulas, report.reviews
        self._whole = f"shown by: promptcot show {shlex.quote(report.directory)} ID"
        self._size = 0

    @property
    def _longest(self) -> int:
        return LONGEST if self._size < _LONG_PAGE else SHORT

    def of(self, history: History, why: str | None = None) -> Markup:
        bounds: dict[str, Any] = {"longest": self._longest, "most_traces": _TRACES, "whole": self._whole}
        review = self._reviews.get(history.id)
        note = why if review is None else " ".join(filter(None, (why, _rejection(review))))
        return self._counted(problem_html(history, self._formulas, note=note, **bounds))

    def html(self, text: str) -> Markup:
        return self._counted(shortened(text, self._formulas, self._longest, self._whole))

    def _counted(self, made: Markup) -> Markup:
        self._size += len(made)
        return made


def _rejection(review: Review) -> str:
    who = f" by {quoted(review.reviewer, _LONGEST_NAME)}" if review.reviewer else ""
    return f"Rejected in a review{who}{f': {quoted(review.note)}' if review.note else '.'}"


def funnel_rows(steps: Sequence[StepCount]) -> list[dict[str, Any]]:
    """How many rows came through each step, and what was left out there."""
    sampled = next((one.out for one in steps if one.name == "sample"), 0) or max((one.out for one in steps), default=0)
    rows: list[dict[str, Any]] = []
    before = sampled
    for one in steps:
        failed = f"failed: {reasons(one.failed)}" if one.failed else ""
        share = one.out / sampled if sampled else 0.0
        name = f"{step_name(one.name)}: {one.out:,} of {sampled:,}"
        rows.append(
            {
                "name": step_name(one.name),
                "out": one.out,
                "share": percent(share) if sampled else "–",
                "bar": charts.bar(share, name, soft=before / sampled if sampled else 0.0),
                "lost": "; ".join(filter(None, (reasons(one.lost), failed))),
            }
        )
        before = one.out
    return rows


def level_rows(report: Report) -> list[dict[str, Any]]:
    """The levels with their counts and mean pass rates; the last row has all levels without a row of their own."""
    others = [report.other_levels] if report.other_levels is not None else []
    most = max((one.problems for one in (*report.levels, *others)), default=0) or 1
    rows: list[dict[str, Any]] = []
    for one in (*report.levels, *others):
        more = counted(report.more_levels, "more level")
        name = more if one is report.other_levels else "(no level)" if one.name is None else one.name
        rate = one.pass_rate
        drawn = charts.interval(rate.mean, rate.interval, f"mean pass rate of {name}: {percent(rate.mean)}")
        bar = charts.bar(one.problems / most, f"{name}: {counted(one.problems, 'problem')}")
        rows.append(
            {
                "name": name,
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
    counts = [int(span["count"]) for span in report.pass_rates]
    edges = [f"{100 * bound:.0f}" for bound in (*(span["low"] for span in report.pass_rates), 1.0)]
    about = "; ".join(f"{count:,} from {edges[n]}% to {edges[n + 1]}%" for n, count in enumerate(counts) if count)
    return charts.histogram(counts, edges, "Problems by pass rate, in percent", about)


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
            "name": quoted(name.replace("_", " "), _LONGEST_NAME),
            "share": same / n,
            "n": n,
            "bar": charts.bar(same / n, f"{quoted(name, _LONGEST_NAME)}: {same} of {n}"),
        }
        for name, (same, n) in pair.criteria.items()
        if n
    ]
    shown = {name: getattr(pair, name) for name in ("one", "other", "n", "share", "interval", "kappa")}
    table = [_line(word, [pair.verdicts.get((word, other), 0) for other in words], most) for word in words]
    return {**shown, "words": words, "table": table, "counted": sum(pair.verdicts.values()), "criteria": criteria}


def _line(name: str, counts: Sequence[int], most: int) -> Line:
    return Line(name, [Cell(count, _shade(count / most if most else 0.0)) for count in counts], sum(counts))


def _shade(share: float) -> int:
    return 0 if share <= 0 else 1 if share < 0.1 else 2 if share < 0.4 else 3 if share < 1 else 4


def _concepts(report: Report, parts: Any) -> Markup:
    found = report.concepts
    assert found is not None
    most = found.counts[0][1]
    about = f"{counted(found.used, 'concept')} used" + (f" of {found.known:,}" if found.known else "")
    squares = charts.squares([count for _, count in found.counts], found.known, "Concepts covered", about)
    rows = [
        {"name": name, "count": count, "bar": charts.bar(count / most, f"{name}: {counted(count, 'problem')}")}
        for name, count in found.counts[:_CONCEPTS]
    ]
    return Markup(parts.concepts(found, squares, rows))


def _likeness(report: Report, parts: Any, html: Any) -> Markup:
    copies = fields.mapping(report.summary.get("copies"))
    contamination = fields.mapping(report.summary.get("contamination"))
    lines = [*_copy_lines(copies, report.lost_in("dedup")), *_benchmark_lines(contamination)]
    near = _near_copies(fields.mapping(report.measure.get("near_copies")))
    return Markup(parts.likeness(lines, near, report.copies, report.contaminated, html))


def _copy_lines(copies: Mapping[str, Any], dropped: int | None) -> Iterator[str]:
    rules = fields.counts(copies.get("rules"))
    if "rules" in copies:
        by_rule = f", by rule: {', '.join(f'{name} {count:,}' for name, count in rules.items())}" if rules else ""
        found = sum(rules.values())
        beyond = f"; {found - dropped:,} of them beyond the target" if dropped is not None and dropped < found else ""
        yield f"Copies found in the run: {found:,}{by_rule}{beyond}."
    if alike := fields.whole(copies.get("alike_but_for_numbers")):
        kept = "left out" if copies.get("mask_numbers") is True else "kept"
        verb = "differs" if alike == 1 else "differ"
        were = "was" if alike == 1 else "were"
        yield f"{counted(alike, 'problem')} {verb} from another problem only in the numbers and {were} {kept}."


def _benchmark_lines(contamination: Mapping[str, Any]) -> Iterator[str]:
    against, found = fields.counts(contamination.get("against")), fields.counts(contamination.get("found"))
    if against:
        names = ", ".join(
            f"{name} ({counted(count, 'problem')}, {found.get(name, 0):,} found)" for name, count in against.items()
        )
        yield f"Compared with benchmarks: {names}."
    if absent := fields.mapping(contamination.get("not_at_hand")):
        yield f"Benchmarks that were not available: {', '.join(map(str, absent))}."


def _near_copies(near: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table of the set's near copies, for some thresholds; None where it was not measured."""
    n, among, listed = fields.whole(near.get("n")), fields.whole(near.get("among")), near.get("thresholds")
    if n is None or among is None or not isinstance(listed, list):
        return None
    rows = [
        {
            "least": fields.number(one.get("least")),
            "count": fields.whole(one.get("count")),
            "share": fields.number(one.get("share")),
            "interval": fields.interval(one.get("interval")),
        }
        for one in map(fields.mapping, listed)
    ]
    rows = [one for one in rows if one["least"] in _THRESHOLDS and one["count"] is not None]
    return {"n": n, "among": among, "rows": rows} if rows else None


def _spent(report: Report, parts: Any) -> Markup:
    rows = [
        {
            "step": one.step,
            "models": [quoted(name, _LONGEST_NAME) for name in one.models],
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
    per_problem = {**{key: number(each.get(key)) for key in keys}, "cost": money(each.get("cost"))} if each else None
    free = [one.step for one in report.spent if one.cost is None]
    unpriced = f"Without a price: {', '.join(free)}." if costs and free else ""
    return Markup(parts.spent(rows, {**total, "cost": money(sum(costs) if costs else None)}, per_problem, unpriced))


def _recipe(report: Report, parts: Any) -> Markup:
    made = fields.mapping(report.summary.get("made"))
    versions = ", ".join(f"{name} {version}" for name, version in fields.texts(made.get("versions")).items())
    text = redacted(json.dumps(report.recipe, indent=2, ensure_ascii=False, default=str))
    if len(text) > _LONGEST_RECIPE:
        text = f"{text[:_LONGEST_RECIPE]}\n… cut here after {_LONGEST_RECIPE:,} of {len(text):,} characters"
    command = made.get("command")
    return Markup(parts.recipe(text, redacted(command) if isinstance(command, str) else "", versions))
