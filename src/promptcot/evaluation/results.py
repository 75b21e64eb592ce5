"""The results of an evaluation for each benchmark, with published results for comparison: as JSON, and as plots.

Decides which published number is comparable with a result, and which plots can be drawn. `core.statistics` computes the
statistics, the command line formats them, and `plots` draws.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptcot.core.statistics import Summary
from promptcot.evaluation.paper_numbers import SOURCE, Published, published
from promptcot.evaluation.plots import Result, plot_accuracy, plot_levels, plot_tokens
from promptcot.evaluation.registry import with_source


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One benchmark, evaluated. `levels` has a summary for each level of difficulty, if the benchmark has levels.

    `asked` is the number of requested traces; failed ones are in no statistic. `whole` says whether all problems of the
    benchmark were included.
    """

    model: str
    benchmark: str
    summary: Summary
    levels: tuple[Summary, ...] = ()
    asked: int = 0
    whole: bool = True

    @property
    def failed(self) -> int:
        """The number of traces missing from the statistics."""
        return max(0, self.asked - self.summary.samples)

    @property
    def printed(self) -> Published | None:
        """The published result for this model; its `benchmark` may be another part of the same one, such as aime2025-i.

        The two are then not comparable as the same measurement. None for a part of a benchmark.
        """
        if not self.whole:
            return None
        names = dict.fromkeys([self.benchmark, *(one.name for one in with_source(self.benchmark))])
        found = (published(self.model, name) for name in names)
        return next((one for one in found if one is not None), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values; null if unknown."""
        printed = self.printed
        return {
            **self.summary.as_json(),
            "asked": self.asked,
            "failed": self.failed,
            "published": printed and {**asdict(printed), "from": SOURCE},
            "levels": {level.source: level.as_json() for level in self.levels},
        }


def file_name(benchmark: str) -> str:
    """A benchmark's name as a valid file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", benchmark)


def draw(results: Sequence[Evaluated], directory: Path) -> list[Path]:
    """All plots that these results allow, into `directory`; none without matplotlib. Returns the files."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    return [path for pair in _plots(results, directory) for path in pair]


def _plots(results: Sequence[Evaluated], directory: Path) -> Iterator[tuple[Path, Path]]:
    marks = [mark for one in results for mark in _marks(one.model, one.benchmark, one.summary)]
    printed = [one.printed for one in results]
    if marks:
        same = [
            found for one, found in zip(results, printed, strict=True) if found and found.benchmark == one.benchmark
        ]
        yield plot_accuracy(marks, directory / "accuracy", same)
    if any(mark.tokens is not None for mark in marks):
        yield plot_tokens(marks, directory / "tokens")
    for one in results:
        levels = [mark for level in one.levels for mark in _marks(one.model, level.source, level)]
        if levels:
            yield plot_levels(levels, directory / f"{file_name(one.benchmark)}.levels")


def _marks(model: str, group: str, summary: Summary) -> Iterator[Result]:
    found = summary.accuracy
    if found.mean is not None:
        yield Result(model, group, found.mean, found.interval, found.n, summary.mean_tokens)
