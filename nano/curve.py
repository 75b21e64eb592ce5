"""Draws the loss curves of the trainings in `nano/runs`: `python -m nano.curve`.

One panel for each training: grey points are logged steps, the line is a running mean. Below the loss stand the shares
that the looks at the model in training found (`copycheck`), from 0 to 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nano import logs
from nano.schedule import TRAININGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RUNS = Path(__file__).with_name("runs")
SMOOTH = 5
NO_SHARES = frozenset({"step", "tokens", "loss", "parameters", "training", "seconds"})


def read(log: Path) -> list[dict[str, Any]]:
    """The lines of a training's log. Steps that were made again after a stop stand there once, as made last."""
    lines: list[dict[str, Any]] = []
    for line in logs.read(log):
        if "parameters" in line:
            lines = [earlier for earlier in lines if earlier["step"] <= line["step"] and "parameters" not in earlier]
        lines.append(line)
    return lines


def losses(lines: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Millions of tokens, and the loss there."""
    steps = [line for line in lines if "loss" in line]
    return [step["tokens"] / 1e6 for step in steps], [step["loss"] for step in steps]


def shares(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """What the looks found, by name: millions of tokens and the share."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for name in line.keys() - NO_SHARES:
            found.setdefault(name, []).append((line["tokens"] / 1e6, line[name]))
    return dict(sorted(found.items()))


def running_mean(values: Sequence[float]) -> list[float]:
    """Each value averaged with those before it, at most `SMOOTH` in all; as many values as were given."""
    return [sum(values[max(0, end - SMOOTH) : end]) / min(SMOOTH, end) for end in range(1, len(values) + 1)]


def main() -> None:
    """Draw a panel for each training whose log is there."""
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(prog="python -m nano.curve", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the logs, NAME.jsonl")
    parser.add_argument("--out", type=Path, default=RUNS / "curves.png")
    chosen = parser.parse_args()
    logs = {name: path for name in TRAININGS if (path := chosen.runs / f"{name}.jsonl").exists()}
    if not logs:
        parser.error(f"{chosen.runs} holds no logs of trainings")
    figure = Figure(figsize=(9, 3.2 * -(-len(logs) // 2)), layout="constrained")
    panels = figure.subplots(-(-len(logs) // 2), 2, squeeze=False).flat
    for axes, (name, log) in zip(panels, logs.items(), strict=False):
        _draw(axes, name, read(log))
    for axes in list(panels):
        axes.set_axis_off()
    figure.savefig(chosen.out, dpi=110)


def _draw(axes: Axes, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
    tokens, values = losses(lines)
    axes.plot(tokens, values, ".", color="0.8", markersize=3)
    axes.plot(tokens, running_mean(values), color="tab:blue", linewidth=1.2)
    axes.set(title=name, xlabel="million tokens", ylabel="loss", yscale="log")
    beside = axes.twinx()
    for share, found in shares(lines).items():
        beside.plot(*zip(*found, strict=True), "o--", markersize=3, linewidth=0.8, label=share)
    beside.set(ylabel="share", ylim=(-0.02, 1.02))
    if shares(lines):
        beside.legend(fontsize="x-small", loc="center right")


if __name__ == "__main__":
    main()
