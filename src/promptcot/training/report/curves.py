"""Plots the loss of a training run from its log, as PNG and as SVG.

Above: the training loss, raw (light) and smoothed, and the validation loss. Below: the learning rate, tokens per
second, and the metrics of the method (rewards, KL divergence, preference accuracy). The colours are those of M. Okabe
and K. Ito, which colour-blind readers can distinguish.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError
from promptcot.evaluation import figures
from promptcot.records import Row
from promptcot.training.report.logfile import LogFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _RED, _GREEN, _PURPLE, _GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
_LOGARITHMIC = 8.0
_STYLE = {**figures.STYLE, "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8}

_OF_METHODS = {
    "reward": "mean reward",
    "completions/mean_length": "tokens of a completion",
    "kl": "divergence from the first model (KL), nats",
    "entropy": "entropy of a token, nats",
    "rewards/accuracies": "share of pairs whose chosen answer is preferred",
    "rewards/margins": "implicit reward, chosen less rejected",
}
"""The metrics for small panels, at most four of those in the log."""

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw(log_path: Path, target: Path) -> tuple[Path, Path]:
    """Plot the log of a training run. `target` is the path without suffix; returns the PNG and the SVG.

    Raises InputError without matplotlib, or if the log has no loss yet.
    """
    lines = list(LogFile(log_path).lines())
    if not points(lines, "loss")[0].size:
        raise InputError(f"{log_path}: no loss was logged yet, so there is nothing to draw")
    matplotlib = figures.library()
    with matplotlib.rc_context(_STYLE):
        shown = [name for name in _OF_METHODS if points(lines, name)[0].size][:4]
        rows = ["AA"] * 3 + ["BC", "DE", "FG"][: 1 + (len(shown) + 1) // 2]
        figure = matplotlib.figure.Figure(figsize=(8, 1.3 * len(rows)), layout="constrained")
        panels = figure.subplot_mosaic(";".join(rows), empty_sentinel=".")
        _draw_loss(panels["A"], lines)
        _draw_small(panels["B"], points(lines, "learning_rate"), "learning rate", _GREEN)
        _draw_small(panels["C"], points(lines, "tokens_per_s"), "tokens per second", _PURPLE)
        for place, name in zip("DEFG", shown, strict=False):
            _draw_small(panels[place], points(lines, name), _OF_METHODS[name], _RED)
        for empty in {*panels} - {"A", "B", "C", *"DEFG"[: len(shown)]}:
            panels[empty].axis("off")
        return figures.save(figure, target)


def points(lines: Sequence[Row], name: str) -> Points:
    """Steps and values of all lines that have this value; steps rise."""
    found = {line["step"]: line[name] for line in lines if isinstance(line.get(name), int | float)}
    steps = sorted(found)
    return np.array(steps, np.float64), np.array([found[step] for step in steps], np.float64)


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean around each value, weighted by a Gaussian over a fiftieth of all values; it has no lag."""
    width = max(0.5, len(values) / 50)
    reach = min(int(3 * width), (len(values) - 1) // 2)
    bell = np.exp(-((np.arange(-reach, reach + 1) / width) ** 2) / 2)
    total: NDArray[np.float64] = np.convolve(values, bell, "same")
    return total / np.convolve(np.ones_like(values), bell, "same")


def _draw_loss(axes: Axes, lines: Sequence[Row]) -> None:
    steps, losses = points(lines, "loss")
    mean = smoothed(losses)
    axes.plot(steps, losses, color=_BLUE, alpha=0.3, linewidth=0.9, label="training, as logged")
    axes.plot(steps, mean, color=_BLUE, linewidth=1.8, label=f"training, smoothed: {mean[-1]:#.3g} at the end")
    checked, found = points(lines, "eval_loss")
    if found.size:
        label = f"validation: {found[-1]:#.3g} at the end"
        axes.plot(checked, found, color=_RED, marker="o", markersize=4.5, linewidth=1.4, clip_on=False, label=label)
    if mean.min() > 0 and mean.max() / mean.min() > _LOGARITHMIC:
        axes.set_yscale("log", subs=(2, 5))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.grid(which="minor")
    _mark_epochs(axes, lines)
    _mark_tokens(axes, lines)
    axes.set_xlabel("step")
    of_tokens = not any(points(lines, name)[0].size for name in ("reward", "rewards/margins"))
    axes.set_ylabel("loss, nats per completion token" if of_tokens else "loss")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(0, max(steps[-1], *checked, 1))
    axes.legend(loc="best")


def _mark_epochs(axes: Axes, lines: Sequence[Row]) -> None:
    """A dotted line where each epoch but the first begins."""
    steps, epochs = points(lines, "epoch")
    for number in range(1, int(epochs.max()) + 1 if epochs.size else 1):
        place = float(np.interp(number, epochs, steps))
        if place < steps[-1]:
            axes.axvline(place, color=_GREY, linestyle=":", linewidth=1)
            where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(f"epoch {number + 1}", (place, 0.0), (3, 4), **where, color=_GREY, fontsize=8)


def _mark_tokens(axes: Axes, lines: Sequence[Row]) -> None:
    """The number of tokens seen, along the upper edge."""
    steps, tokens = points(lines, "tokens")
    if tokens.size < 2 or tokens[-1] <= 0:
        return
    steps, tokens = (np.concatenate([[0.0], found, [2 * found[-1]]]) for found in (steps, tokens))  # ticks lie beyond
    unit, name = (1e9, "billion") if tokens[-1] >= 2e9 else (1e6, "million") if tokens[-1] >= 2e6 else (1e3, "thousand")

    def seen(step: Any) -> Any:
        return np.interp(step, steps, tokens / unit)

    def back(seen_tokens: Any) -> Any:
        return np.interp(seen_tokens, tokens / unit, steps)

    above = axes.secondary_xaxis("top", functions=(seen, back))
    above.set_xlabel(f"{name} tokens", color=_GREY, fontsize=9)
    above.tick_params(colors=_GREY, labelsize=9)


def _draw_small(axes: Axes, found: Points, name: str, colour: str) -> None:
    steps, values = found
    most = float(values.max()) if values.size else 0.0
    power = math.floor(math.log10(most)) if 0 < most < 0.01 else 0
    if power:
        values, name = values / 10.0**power, f"{name}, in units of 1e{power}"
        most /= 10.0**power
    axes.set_title(name, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=4)
    least, most = min([0.0, *values]), max(0.0, most)
    axes.set_ylim(1.15 * least, 1.15 * most or float(not least))
    axes.set_xlim(0, max(steps[-1], 1) if steps.size else 1)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if most >= 10:
        axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.plot(steps, values, color=colour, linewidth=1.3)
