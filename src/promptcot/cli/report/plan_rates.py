"""The rates of a plan as `promptcot plan` prints them: each with its value and where it is from.

Sources and reasons are numbered in the order in which they come up, and printed once. A rate that is missing where it
would be needed is n/a.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptcot.cli.report.layout import hanging
from promptcot.planning.rates import Rate, Rates, StageRates
from promptcot.recipe.schema import Model

_LABELS: Mapping[str, str] = {
    "gpus": "GPUs of a replica",
    "prompt_tokens": "prompt tokens of a call",
    "completion_tokens": "completion tokens of a call",
    "prompt_tokens_per_second": "prompt tokens a GPU reads in a second",
    "completion_tokens_per_second": "completion tokens a GPU writes in a second",
    "kept": "share of rows that is kept",
    "file_bytes": "bytes in files, for a row",
    "journal_bytes": "bytes in the journal, for a row",
    "seconds": "GPU-seconds of a call",
    "calls": "calls for a row",
    "call_seconds": "CPU-seconds of a call, side by side",
    "row_seconds": "CPU-seconds of a row in a turn",
    "memory_bytes": "bytes of memory for a combination",
}


_WITHOUT = {
    "prompt_tokens_per_second": ", so reading is not counted",
    "call_seconds": ", so not counted",
    "row_seconds": ", so not counted",
}
"""What follows where a rate is missing and the plan goes on without."""


@dataclass
class Sources:
    """Sources and reasons, numbered as they are first needed."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    def lines(self) -> Iterator[str]:
        for text, number in self._numbers.items():
            yield hanging(f"{f'[{number}]':<6}", text)


def origin(rate: Rate, sources: Sources | None) -> str:
    if rate.kind == "measured":
        return f"measured, n = {rate.n:,} {rate.of}" if rate.n else "measured"
    return f"{rate.kind} [{sources.number(rate.origin)}]" if rate.origin and sources else rate.kind


def rate_lines(rates: Rates, sources: Sources) -> Iterator[str]:
    """Every rate; those that are missing and would be needed are n/a."""
    yield f"{'rates':<46}{'value':>10}   from"
    yield from _section("sample", rates.sample, {"seconds": "CPU-seconds of a combination"}, ("seconds",), sources)
    for stage in rates:
        yield from _section(_title(stage), _named(stage), _words(stage), _needed(stage), sources)
    yield from _section("filter", rates.filter, {}, ("kept",), sources)
    yield from _section("driver", rates.driver, {}, ("call_seconds", "row_seconds"), sources)
    if rates.gpu_hour:
        yield _rate_line("price of a GPU-hour", rates.gpu_hour, sources, indent=0)


def _title(stage: StageRates) -> str:
    model = "" if stage.model.model in ("", Model().model) else f": {stage.model.model}"
    return f"{stage.name}{model}{', hosted' if stage.hosted else ''}"


def _named(stage: StageRates) -> dict[str, Rate]:
    calls = {"calls": stage.calls} if stage.calls and stage.name == "solve" else {}
    return {**calls, **stage.rates}


def _words(stage: StageRates) -> dict[str, str]:
    return {"seconds": "seconds between calls"} if stage.hosted else {}


def _needed(stage: StageRates) -> Sequence[str]:
    needed = ["calls"] if stage.calls is None else []
    if stage.hosted:
        needed += ["prompt_tokens", "completion_tokens"]
    else:
        needed += ["gpus"]
        if stage.gpu_seconds is None:
            needed += ["completion_tokens", "completion_tokens_per_second"]
        elif stage["seconds"] is None:
            needed += ["prompt_tokens_per_second"]
    return [*needed, "kept"] if stage.name == "generate" else needed


def _section(
    title: str, found: Mapping[str, Rate], words: Mapping[str, str], needed: Sequence[str], sources: Sources
) -> Iterator[str]:
    yield f"  {title}"
    names = [name for name in {**words, **_LABELS} if name in found or name in needed]
    for name in names:
        label, lack = words.get(name) or _LABELS[name], _WITHOUT.get(name, "")
        yield _rate_line(label, found.get(name), sources, indent=4, lack=lack)


def _rate_line(label: str, rate: Rate | None, sources: Sources, indent: int, lack: str = "") -> str:
    value = "n/a" if rate is None else f"{rate.value:,.0f}" if rate.value >= 1000 else f"{rate.value:.4g}"
    where = f"neither measured nor stated{lack}" if rate is None else origin(rate, sources)
    return f"{' ' * indent}{label:<{46 - indent}}{value:>10}   {where}"
