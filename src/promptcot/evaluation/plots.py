"""Plots of results: accuracy per benchmark, against tokens, and by level. Each is written as PNG and as SVG.

The colours are those of M. Okabe and K. Ito, which colour-blind readers can distinguish, and every model has its own
marker. Bars are 95 % intervals over problems. Unknown values are left out of a plot, never drawn at 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptcot.errors import InputError
from promptcot.evaluation import figures
from promptcot.evaluation.paper_numbers import Published
from promptcot.evaluation.registry import BENCHMARKS
from promptcot.printable import presentable, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_GREY = "#666666"
_SPREAD = 0.6
_LONGEST_NAME = 48


@dataclass(frozen=True, slots=True)
class Result:
    """One accuracy to be drawn: a share with its interval, over `n` problems, and the mean tokens of its traces.

    `group` is what the result is of: the name of a benchmark, or a level.
    """

    model: str
    group: str
    accuracy: float
    interval: tuple[float, float] | None
    n: int
    tokens: float | None = None


def plot_accuracy(results: Sequence[Result], target: Path, printed: Sequence[Published] = ()) -> tuple[Path, Path]:
    """Accuracy of each model on each benchmark, with published values as hollow marks.

    `target` is the path without suffix; returns the PNG and the SVG. Raises InputError without matplotlib or results.
    """
    return _by_group(results, target, printed, "benchmark")


def plot_levels(results: Sequence[Result], target: Path) -> tuple[Path, Path]:
    """Accuracy of each model by level, in the order in which the levels first appear; as `plot_accuracy`."""
    return _by_group(results, target, (), "level")


def plot_tokens(results: Sequence[Result], target: Path) -> tuple[Path, Path]:
    """Accuracy against the mean tokens of a trace; one panel per benchmark. Results without tokens are left out."""
    known = [(result, result.tokens) for result in map(_printable_names, results) if result.tokens is not None]
    groups = list(dict.fromkeys(result.group for result, _ in known))
    models = list(dict.fromkeys(result.model for result, _ in known))
    with _figure(len(known), 1 + 3 * len(groups), 3.6, len(groups)) as (figure, panels):
        for axes, group in zip(panels, groups, strict=True):
            here = [(result, tokens) for result, tokens in known if result.group == group]
            for result, tokens in here:
                _mark(axes, tokens, result, models.index(result.model))
            axes.set_title(f"{_title(group)} (n = {_counts(result for result, _ in here)})", fontsize=10)
            axes.set_xlim(0, 1.15 * max(tokens for _, tokens in here) or 1)
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.set_xlabel("mean tokens per trace")
        _finish(figure, panels, models)
        return figures.save(figure, target, bbox_inches="tight")


def _by_group(results: Sequence[Result], target: Path, printed: Sequence[Published], axis: str) -> tuple[Path, Path]:
    results = [_printable_names(result) for result in results]
    groups = list(dict.fromkeys(result.group for result in results))
    shown = [one for one in printed if one.benchmark in groups]
    models = list(dict.fromkeys([*(result.model for result in results), *(one.model for one in shown)]))
    labels = {*(result.model for result in results), *(_published(one.model) for one in shown)}
    columns = [label for model in models for label in (model, _published(model)) if label in labels]
    with _figure(len(results), 2.5 + 1.6 * len(groups), 4.0, 1) as (figure, [axes]):
        for result in results:
            x = groups.index(result.group) + _offset(result.model, columns)
            _mark(axes, x, result, models.index(result.model))
        for one in shown:
            x = groups.index(one.benchmark) + _offset(_published(one.model), columns)
            _mark_printed(axes, x, one, models.index(one.model), measured=one.model in labels)
        _name_groups(axes, groups, [_counts(one for one in results if one.group == group) for group in groups])
        axes.set_xlabel(axis)
        _finish(figure, [axes], columns)
        return figures.save(figure, target, bbox_inches="tight")


def _printable_names(result: Result) -> Result:
    """With names that a plot can show: levels come from rows, and SVG and fonts lack some characters."""
    model, group = (presentable(quoted(name, _LONGEST_NAME)) for name in (result.model, result.group))
    return replace(result, model=model, group=group)


def _published(model: str) -> str:
    return f"{model}, published"


def _offset(label: str, columns: Sequence[str]) -> float:
    """The offsets of the marks of a label from the middle of their group."""
    return (columns.index(label) - (len(columns) - 1) / 2) * _SPREAD / max(len(columns), 3)


def _mark(axes: Axes, x: float, result: Result, model: int) -> None:
    low, high = result.interval or (result.accuracy, result.accuracy)
    axes.errorbar(
        [x],
        [100 * result.accuracy],
        yerr=[[100 * (result.accuracy - low)], [100 * (high - result.accuracy)]],
        fmt=_MARKERS[model % len(_MARKERS)],
        color=_COLOURS[model % len(_COLOURS)],
        markersize=6,
        capsize=3,
        linewidth=1.4,
        label=result.model,
    )


def _mark_printed(axes: Axes, x: float, one: Published, model: int, measured: bool) -> None:
    """A hollow mark, in the colour of the same model where we measured it, or else in grey."""
    axes.plot(
        [x],
        [100 * one.mean],
        linestyle="none",
        marker=_MARKERS[model % len(_MARKERS)],
        markersize=7,
        markerfacecolor="none",
        markeredgecolor=_COLOURS[model % len(_COLOURS)] if measured else _GREY,
        markeredgewidth=1.4,
        label=_published(one.model),
    )


def _name_groups(axes: Axes, groups: Sequence[str], counts: Sequence[str]) -> None:
    named = [f"{_title(group)}\nn = {count}" for group, count in zip(groups, counts, strict=True)]
    axes.set_xticks(range(len(groups)), named)
    axes.set_xlim(-0.5, len(groups) - 0.5)


def _title(group: str) -> str:
    return BENCHMARKS[group].title if group in BENCHMARKS else group


def _counts(results: Iterable[Result]) -> str:
    """The number of problems behind the results; several where they differ."""
    return ", ".join(f"{count:,}" for count in sorted({result.n for result in results}))


@contextmanager
def _figure(marks: int, width: float, height: float, panels: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """An empty figure with panels side by side, and our style while it is drawn."""
    if not marks:
        raise InputError("there is nothing to plot: no result has the values that this plot shows")
    matplotlib = figures.library(", or leave the plots out")
    with matplotlib.rc_context(figures.STYLE):
        figure = matplotlib.figure.Figure(figsize=(width, height), layout="constrained")
        yield figure, list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])


def _finish(figure: Figure, panels: Sequence[Axes], labels: Sequence[str]) -> None:
    """Axes from 0 to 100 %, light lines to read values by, and below the panels the labels in this order."""
    for axes in panels:
        axes.set_ylim(0, 103)
        axes.set_yticks(range(0, 101, 20))
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    panels[0].set_ylabel("accuracy, %, with 95 % interval")
    found = [axes.get_legend_handles_labels() for axes in panels]
    handles = {label: handle for one in found for handle, label in zip(*one, strict=True)}
    labels = [label for label in labels if label in handles]  # matplotlib hides names that begin with an underscore
    columns = max(1, min(len(labels), int(figure.get_figwidth() / (0.6 + 0.08 * max(map(len, labels), default=1)))))
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=columns)
