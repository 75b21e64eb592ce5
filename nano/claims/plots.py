"""Draws the claims and writes their tables: `python -m nano.claims.plots OUT`.

One figure per claim: a point per seed, and the mean with its 95 % interval. A claim without results has none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nano.claims import distilled, filtered, hard, more, rationale, results, verify
from nano.claims.claim import Claim, Result
from nano.claims.statistics import mean, of_variant
from nano.claims.writing import filled

CLAIMS = tuple(module.CLAIM for module in (rationale, filtered, verify, distilled, more, hard))
DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nano.claims.plots", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder that the claims were run with")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where claims.md and plots/ are")
    chosen = parser.parse_args()
    page = chosen.docs / "claims.md"
    text = page.read_text(encoding="utf-8")
    for claim in CLAIMS:
        found = results.read(chosen.out, claim.name)
        text = filled(text, claim, found)
        if found:
            draw(claim, found).savefig(chosen.docs / "plots" / f"claims-{claim.name}.png", dpi=110)
        print(f"{claim.name}: {len(found)} results")
    page.write_text(text, encoding="utf-8")


def draw(claim: Claim, found: Sequence[Result]) -> Figure:
    """The value of a claim by variant, in percent."""
    figure = Figure(figsize=(6.5, 1 + 0.45 * len(claim.variants)), layout="constrained")
    axes = figure.subplots()
    for place, variant in enumerate(claim.variants):
        _row(axes, place, found, variant, claim.value)
    axes.set_yticks(range(len(claim.variants)), claim.variants)
    axes.invert_yaxis()
    axes.set(xlabel=f"{claim.columns[claim.value]}, %", title=claim.name)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure


def _row(axes: Axes, place: int, found: Sequence[Result], variant: str, value: str) -> None:
    seeds = [100 * one for one in of_variant(found, variant, value)]
    axes.plot(seeds, [place - 0.15] * len(seeds), ".", color="0.6")
    whole = mean(found, variant, value)
    if whole.mean is not None:
        axes.plot(100 * whole.mean, place + 0.1, "o", color="tab:blue")
    if whole.interval is not None:
        axes.plot([100 * end for end in whole.interval], [place + 0.1] * 2, "-", color="tab:blue")


if __name__ == "__main__":
    main()
