"""The measures of a set as text: in full, in short at the end of a run, and of two sets compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptcot.cli.report.layout import bounds, hanging, percent
from promptcot.cli.report.tables import table
from promptcot.cli.report.validity import validity_lines
from promptcot.core.measures.comparing import Compared
from promptcot.core.remedies import shown
from promptcot.core.units import counted

_MOST_LEVELS = 8
_MOST_MODELS = 5
_CONCEPTS = 3

Table = list[Sequence[str]]


def measure_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """All measures of a set. The last line names those that could not be measured."""
    yield _rows(told)
    parts = [_yield, _validity, _pass_rates, _concepts, _near_copies, _vectors, _spent]
    for part in parts:
        if lines := list(part(told)):
            yield from ("", *lines)
    if missing := list(_missing(told)):
        yield from ("", hanging("not measured: ", "; ".join(missing)))


def end_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same in short, at the end of a run."""
    if told.get("rows"):
        yield from _yield(told, concepts=False)
        yield from _concepts(told)
        yield from _alike(told)
        yield from _vectors(told)
        yield from _spent_in_short(told)


def _rows(told: Mapping[str, Any]) -> str:
    rows, levels = told["rows"], told["levels"]
    named = [f"{shown(name)} {count:,}" for name, count in levels.items()]
    more = f" and {counted(len(named) - _MOST_LEVELS, 'more level')}" if len(named) > _MOST_LEVELS else ""
    by_level = f"; by level: {', '.join(named[:_MOST_LEVELS])}{more}" if named else ""
    label = f"; {told['labelled']:,} with an answer ({_share(told['labelled'], rows)})" if told["labelled"] else ""
    return hanging("", f"{counted(rows, 'problem')}{label}{by_level}")


def _yield(told: Mapping[str, Any], *, concepts: bool = True) -> Iterator[str]:
    found = told.get("yield")
    if not found or not found["steps"]:
        return
    rows: Table = [("yield", "sampled", *found["steps"], "95 % interval"), _yield_row("all", found)]
    levels = {} if [*found["levels"]] == ["(none)"] else found["levels"]
    most = sorted(levels, key=lambda name: -levels[name]["sampled"])[:_MOST_LEVELS]
    rows += [_yield_row(shown(name), levels[name]) for name in levels if name in most]
    yield from table(rows)
    if len(levels) > len(most):
        yield f"and {counted(len(levels) - len(most), 'more level')}"
    if concepts and found["concepts"]["used"]:
        yield from _concept_yield(found["concepts"])


def _yield_row(name: str, found: Mapping[str, Any]) -> Sequence[str]:
    sampled = found["sampled"]
    shares = [_share(count, sampled) for count in found["steps"].values()]
    return (name, f"{sampled:,}", *shares, bounds(_pair(found["interval"])))


def _concept_yield(found: Mapping[str, Any]) -> Iterator[str]:
    used, unlike = found["used"], found["unlike"]
    yield hanging(
        "by concept: ",
        f"the interval excludes the overall yield for {unlike:,} of {counted(used, 'sampled concept')} (about "
        f"{_number(used * 0.05)} expected by chance)",
    )
    for what in ("best", "worst"):
        named = [f"{shown(one['concept'])} {one['count']:,} of {one['n']:,}" for one in found[what][:_CONCEPTS]]
        yield hanging(f"  {what + ':':<7}", "; ".join(named))


def _validity(told: Mapping[str, Any]) -> Iterator[str]:
    yield from validity_lines(told.get("validity_by_agreement") or {})


def _pass_rates(told: Mapping[str, Any]) -> Iterator[str]:
    spans = told.get("pass_rate_histogram")
    if not spans:
        return
    models = told["pass_rate_histogram_by_model"]
    header = [f"{span['low']:g}-{span['high']:g}" for span in spans]
    rows: Table = [("pass rates", "n", *header), _histogram("all traces", spans)]
    rows += [_histogram(shown(name), models[name]) for name in [*models][:_MOST_MODELS]]
    yield from table(rows)
    if len(models) > _MOST_MODELS:
        yield f"and {counted(len(models) - _MOST_MODELS, 'more model')}"
    means = (("pass_rate", "pass rate"), ("agreement", "agreement"))
    known = [f"{name} {_mean(told[key])}" for key, name in means if key in told]
    yield hanging("means with 95 % intervals: ", "; ".join(known))


def _mean(found: Mapping[str, Any]) -> str:
    return f"{percent(found['mean'])} ({bounds(_pair(found['interval']))}, n = {found['n']:,})"


def _histogram(name: str, spans: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    return (name, f"{sum(span['count'] for span in spans):,}", *(f"{span['count']:,}" for span in spans))


def _concepts(told: Mapping[str, Any]) -> Iterator[str]:
    found = told.get("concepts")
    if not found:
        return
    of = f" of {found['known']:,} ({percent(found['coverage'])})" if found["coverage"] else ""
    varied = "" if found["evenness"] is None else f"; evenness {found['evenness']:.2f}"
    yield hanging(
        "concepts: ",
        f"{found['used']:,}{of}, used {counted(found['uses'], 'time')}; effective number "
        f"{found['effective']:,.1f}{varied}",
    )


def _near_copies(told: Mapping[str, Any]) -> Iterator[str]:
    near = told.get("near_copies")
    if not near:
        return
    degrees = near["thresholds"]
    rows: Table = [
        ("similarity to another problem, at least", *(f"{one['least']:g}" for one in degrees)),
        ("problems", *(f"{one['count']:,}" for one in degrees)),
        ("  share", *(percent(one["share"]) for one in degrees)),
        ("  different only in numbers", *(f"{one['numbers_only']:,}" for one in degrees)),
    ]
    yield from table(rows)
    yield f"compared: {counted(near['n'], 'problem')}, each with {near['among']:,}"


def _alike(told: Mapping[str, Any]) -> Iterator[str]:
    """Near-duplicates in one line."""
    near = told.get("near_copies")
    if near:
        one = next(one for one in near["thresholds"] if one["least"] == 0.85)
        numbers = f"; {one['numbers_only']:,} differ only in numbers" if one["numbers_only"] else ""
        yield hanging(
            "near copies (similarity 0.85 or more): ",
            f"{one['count']:,} of {counted(near['n'], 'problem')} ({percent(one['share'])}){numbers}",
        )


def _vectors(told: Mapping[str, Any]) -> Iterator[str]:
    found = told.get("vectors")
    if found:
        low, middle, high = (_number(value) for value in found["nearest"].values())
        yield hanging(
            "vectors: ",
            f"{counted(found['n'], 'problem')}; cosine distance to the nearest other one {middle} (median; 5th "
            f"percentile {low}, 95th percentile {high}); Vendi score {_number(found['vendi'])}",
        )


def _spent(told: Mapping[str, Any]) -> Iterator[str]:
    found = told.get("spent")
    if not found:
        return
    rows: Table = [("for each problem", "calls", "prompt tokens", "completion tokens", "cost")]
    rows += [_spent_row(name, one) for name, one in found["steps"].items()]
    yield from table([*rows, _spent_row("all", found)])
    yield from _without_price(found)


def _spent_row(name: str, found: Mapping[str, Any]) -> Sequence[str]:
    tokens = (_whole(found[key]) for key in ("prompt_tokens", "completion_tokens"))
    return (name, _number(found["calls"]), *tokens, _cost(found["cost"]))


def _spent_in_short(told: Mapping[str, Any]) -> Iterator[str]:
    found = told.get("spent")
    if found:
        yield hanging(
            "for each problem: ",
            f"{_number(found['calls'])} {'call' if found['calls'] == 1 else 'calls'}, "
            f"{_whole(found['prompt_tokens'])} prompt tokens and "
            f"{_whole(found['completion_tokens'])} completion tokens"
            + ("" if found["cost"] is None else f", cost {_cost(found['cost'])}"),
        )


def _without_price(found: Mapping[str, Any]) -> Iterator[str]:
    if found["without_price"] and found["cost"] is not None:
        yield hanging("without a price: ", ", ".join(found["without_price"]))


def _missing(told: Mapping[str, Any]) -> Iterator[str]:
    """The measures without data, and the options that provide the data."""
    if not told["rows"]:
        return
    if "vectors" not in told:
        yield "distances and Vendi score, which need vectors (--vectors FILE, --semantic MODEL)"
    if "concepts" not in told:
        yield "concepts: no row has any"
    elif told["concepts"]["coverage"] is None:
        yield "share of the catalogue that is used (--concepts FILE)"
    if "pass_rate" not in told:
        yield "pass rates: no row has one"


def comparison_lines(
    names: tuple[str, str], found: Sequence[Compared], both: int, rows: tuple[int, int]
) -> Iterator[str]:
    """Two sets compared, and which differences are significant."""
    yield from (
        f"{letter}: {name}, {counted(count, 'problem')}" for letter, name, count in zip("AB", names, rows, strict=True)
    )
    yield _shared(both)
    yield ""
    header = ("", "A", "n", "B", "n", "B - A", "95 % interval", "beyond noise")
    yield from table([header, *map(_compared, found)])
    tried = [one for one in found if one.difference.interval is not None]
    yield ""
    yield hanging(
        "",
        f"{sum(one.difference.is_clear for one in tried)} of {len(tried)} differences with an interval are beyond "
        f"noise; about {0.05 * len(tried):.1f} are expected for equal sets. Intervals: Newcombe for shares, Welch for "
        "means. The number of concepts and the Vendi score grow with the size of a set, so they are computed on "
        "equally many uses and problems, without an interval.",
    )


def _shared(both: int) -> str:
    return (
        f"in both: {counted(both, 'problem')}; the intervals assume independent sets, so they are too wide"
        if both
        else "in both: no problem"
    )


def _compared(one: Compared) -> Sequence[str]:
    found = one.difference
    clear = "" if found.interval is None else "yes" if found.is_clear else "no"
    if one.kind == "share":
        gap = "n/a" if found.difference is None else f"{100 * found.difference:+.1f}"
        interval = bounds(found.interval, "+") if found.interval else "n/a"
        return (one.name, percent(found.a), f"{found.n_a:,}", percent(found.b), f"{found.n_b:,}", gap, interval, clear)
    sizes = f"{found.n_a:,}", f"{found.n_b:,}"
    gap, interval = _signed(found.difference), "n/a"
    if found.interval is not None:
        interval = " to ".join(map(_signed, found.interval))
    return (one.name, _number(found.a), sizes[0], _number(found.b), sizes[1], gap, interval, clear)


def _share(count: int, whole: int) -> str:
    return f"{count / whole:.0%}".replace("%", " %") if whole else "n/a"


def _pair(interval: Any) -> tuple[float, float] | None:
    return None if interval is None else (interval[0], interval[1])


def _number(value: float | None) -> str:
    """A number with three significant digits; or n/a."""
    if value is None:
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _signed(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.3g}"


def _whole(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.0f}"


def _cost(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.4f}"
