"""Draws the loss curves of the trainings in `nano/runs`: `python -m nano.curve`.

One panel a role, the trainings of a role one after the other; grey points are logged steps, the line is a running mean.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

RUNS = Path(__file__).with_name("runs")
ROLES = ("generator", "solver", "judge-a", "judge-b", "annotator", "base")
SMOOTH = 5


def points(role: str) -> tuple[list[float], list[float], list[float]]:
    """Millions of tokens and loss over all trainings of a role, and where a training ended."""
    tokens, losses, ends, before = [], [], [], 0.0
    for log in sorted(RUNS.glob(f"{role}-[0-9].jsonl")):
        steps: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
        steps = [step for step in steps if "loss" in step]
        tokens += [before + step["tokens"] / 1e6 for step in steps]
        losses += [step["loss"] for step in steps]
        before = tokens[-1]
        ends.append(before)
    return tokens, losses, ends[:-1]


def running_mean(values: list[float]) -> list[float]:
    return [sum(values[max(0, end - SMOOTH) : end]) / min(SMOOTH, end) for end in range(1, len(values) + 1)]


def main() -> None:
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(prog="python -m nano.curve", description=__doc__)
    parser.add_argument("--out", type=Path, default=RUNS / "curves.png")
    path = parser.parse_args().out
    figure = Figure(figsize=(9, 8.5), layout="constrained")
    for axes, role in zip(figure.subplots(3, 2).flat, ROLES, strict=True):
        tokens, losses, ends = points(role)
        axes.plot(tokens, losses, ".", color="0.8", markersize=3)
        axes.plot(tokens, running_mean(losses), color="tab:blue", linewidth=1.2)
        for end in ends:
            axes.axvline(end, color="0.5", linestyle=":", linewidth=1)
        axes.set(title=role, xlabel="million tokens", ylabel="loss", yscale="log")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
