"""Draws the claims and writes their tables into docs/claims.md.

    python -m nano.claims.plots OUT    # take the results of OUT over into docs/claims, then draw and write
    python -m nano.claims.plots        # draw and write from docs/claims alone

With OUT, only results of its present weights and of today's sizes stay on the page. One figure per claim: a point per
seed, and the mean with its 95 % interval. A claim without results has none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nano.claims import distilled, filtered, hard, more, rationale, results, verify
from nano.claims.claim import Claim, Result
from nano.claims.sizes import FULL
from nano.claims.statistics import mean, of_variant
from nano.claims.writing import filled
from promptcot.storage.atomic import write_whole

CLAIMS = tuple(module.CLAIM for module in (rationale, filtered, verify, distilled, more, hard))
DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Draw the claims and write `claims.md` from the results in the docs; those of `out` are copied there first."""
    parser = argparse.ArgumentParser(
        prog="python -m nano.claims.plots", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", help="the folder that the claims were run with")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where claims.md, claims/ and plots/ are")
    chosen = parser.parse_args()
    if chosen.out is not None:
        take_over(chosen.out, chosen.docs / "claims")
    for claim in CLAIMS:
        found = results.read(chosen.docs / "claims", claim.name)
        plot = chosen.docs / "plots" / f"claims-{claim.name}.png"
        if found:
            draw(claim, found).savefig(plot, dpi=110)
        else:
            plot.unlink(missing_ok=True)
        print(f"{claim.name}: {len(found)} results in {chosen.docs / 'claims'}")
    write_whole(chosen.docs / "claims.md", written(chosen.docs).encode())


def take_over(out: Path, folder: Path, claims: Sequence[Claim] = CLAIMS) -> None:
    """Copy the results of `out` into `folder`; those there that other weights or sizes gave are removed."""
    known = [(claim, results.merged(out, claim, FULL, folder)) for claim in claims]  # before anything is changed
    for claim, found in known:
        if found:
            results.write(folder, claim.name, found)
        else:
            (folder / f"{claim.name}.jsonl").unlink(missing_ok=True)


def written(docs: Path) -> str:
    """The page with the results in `docs/claims`."""
    text = (docs / "claims.md").read_text(encoding="utf-8")
    for claim in CLAIMS:
        text = filled(text, claim, results.read(docs / "claims", claim.name))
    return text


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
