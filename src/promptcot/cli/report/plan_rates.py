"""The rates of a plan as text: each with its value and its source.

Sources and reasons are numbered in order of appearance, and printed once. A missing rate is n/a.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from promptcot.cli.report.layout import hanging
from promptcot.cli.report.tables import table
from promptcot.planning.rates import Rate, Rates, StageRates
from promptcot.recipe.schema import Model

Line = tuple[str, str, str]
"""The name of a rate, its value and its source."""

_LABELS = {
    "seconds": "GPU-seconds per call",
    "calls": "calls per row",
    "gpus": "GPUs per replica",
    "prompt_tokens": "prompt tokens per call",
    "completion_tokens": "completion tokens per call",
    "prompt_tokens_per_second": "prompt tokens read per GPU-second",
    "completion_tokens_per_second": "completion tokens written per GPU-second",
    "kept": "share of rows that are kept",
    "file_bytes": "bytes in files per row",
    "journal_bytes": "bytes in the journal per row",
    "call_seconds": "CPU-seconds per call",
    "memory_bytes": "bytes of memory per combination",
}
_WITHOUT = {
    "prompt_tokens_per_second": ", so reading is not counted",
    "call_seconds": ", so not counted",
}
"""The consequence of a missing rate that the plan can do without."""


def origin(rate: Rate) -> str:
    """Whether a rate was measured, and in how many cases; else its kind."""
    return f"measured, n = {rate.n:,} {rate.of}" if rate.n else rate.kind


def rate_lines(rates: Rates) -> Iterator[str]:
    """All rates, then the sources; missing rates are n/a."""
    sources: dict[str, int] = {}
    yield from table([("rates", "value", "from"), *_rows(rates, sources)])
    for text, number in sources.items():
        yield hanging(f"{f'[{number}]':<6}", text)


def _rows(rates: Rates, sources: dict[str, int]) -> Iterator[Line]:
    yield from _section("sample", rates.sample, ["seconds"], sources, "CPU-seconds per combination")
    for stage in rates.asked:
        yield from _stage(stage, sources)
    yield from _section("filter", rates.filter, ["kept"], sources)
    for step in rates.behind:
        for stage in step.asked:
            yield from _stage(stage, sources)
        if step.name != "solve":
            yield from _section(step.name, step.rates, ["kept"], sources)
    if rates.solve is not None:
        yield from _stage(rates.solve, sources)
    yield from _section("driver", rates.driver, ["call_seconds"], sources)
    if rates.gpu_hour:
        yield "price of a GPU-hour", *_told(rates.gpu_hour, sources)


def _stage(stage: StageRates, sources: dict[str, int]) -> Iterator[Line]:
    model = "" if stage.model.model in ("", Model().model) else f": {stage.model.model}"
    title = f"{stage.name}{model}{', hosted' if stage.hosted else ''}"
    calls = {"calls": stage.calls} if stage.calls and stage.calls.value != 1 else {}
    seconds = "seconds between calls" if stage.hosted else _LABELS["seconds"]
    return _section(title, {**calls, **stage.rates}, _needed(stage), sources, seconds)


def _needed(stage: StageRates) -> Iterator[str]:
    if stage.calls is None:
        yield "calls"
    if stage.hosted:
        yield from ("prompt_tokens", "completion_tokens")
    else:
        yield "gpus"
        if stage.gpu_seconds is None:
            yield from ("completion_tokens", "completion_tokens_per_second")
        elif stage["seconds"] is None:
            yield "prompt_tokens_per_second"
    if stage.name == "generate":
        yield "kept"


def _section(
    title: str, found: Mapping[str, Rate], needed: Iterable[str], sources: dict[str, int], seconds: str = ""
) -> Iterator[Line]:
    """The rates of one section; `seconds` is the label of its seconds."""
    yield f"  {title}", "", ""
    shown = {*found, *needed}
    for name, label in (_LABELS | {"seconds": seconds}).items():
        if name in shown:
            yield f"    {label}", *_told(found.get(name), sources, _WITHOUT.get(name, ""))


def _told(rate: Rate | None, sources: dict[str, int], without: str = "") -> tuple[str, str]:
    """The value and its source."""
    if rate is None:
        return "n/a", f"neither measured nor stated{without}"
    value = f"{rate.value:,.0f}" if rate.value >= 1000 else f"{rate.value:.4g}"
    is_cited = rate.origin and rate.kind != "measured"
    number = f" [{sources.setdefault(rate.origin, len(sources) + 1)}]" if is_cited else ""
    return value, f"{origin(rate)}{number}"
