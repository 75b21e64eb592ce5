"""The share of planted copies of real problems that `dedup` finds, and the problems that it drops wrongly.

    python benchmarks/dedup_planted.py --problems FOLDER [--seeds 3] [--smallest]

The folder holds files of rows with problems (`*.jsonl`). Of 1,600 of them each is copied: with a tenth of its words
changed, with its sentences in another order, respelled in other LaTeX, beside one, two and three others. The copies
come after the originals, and in a second pass before them. Then all real problems go through, and 20,000 that are made
from templates and differ in substance, and 2,000 from templates with one or two numbers ("What is 3 + 4?"): each that
is dropped is printed beside the one that it is said to copy, for somebody to read.
Targets: found ≥ 98 / 95 / 99 / 95 / 95 / 95 %; dropped of the real ones ≤ 0.3 %, of the made ones ≤ 0.1 %.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _options import Options, verdict
from _planted import SHORT, made_up, makes, read_problems, templates

from promptcot.records import Drop, Dropped
from promptcot.stages.dedup import Dedup

PLANTED, MADE = 1_600, 20_000
TARGETS = {"words changed": 0.98, "sentences reordered": 0.95, "respelled": 0.99}
EMBEDDED, REAL_DROPPED, MADE_DROPPED = 0.95, 0.003, 0.001


def drops(problems: Sequence[str], near: float) -> dict[int, Drop]:
    """Which of these, as they come, are left out."""
    found: dict[int, Drop] = {}
    with tempfile.TemporaryDirectory() as folder:
        step = Dedup(Path(folder), near)
        for place, problem in enumerate(problems):
            made = step.apply({"id": str(place), "problem": problem})
            if isinstance(made, Dropped):
                found[place] = made.drop
        step.close()
    return found


def found_share(originals: Sequence[str], copies: Sequence[str | None], near: float) -> float:
    """Of the copies behind the originals and of the originals behind their copies, the share that is left out."""
    pairs = [(one, copy) for one, copy in zip(originals, copies, strict=True) if copy is not None]
    found = 0
    for first in (0, 1):
        both = [*(pair[first] for pair in pairs), *(pair[1 - first] for pair in pairs)]
        found += sum(place >= len(pairs) for place in drops(both, near))
    return found / (2 * max(1, len(pairs)))


def planted(problems: Sequence[str], seeds: int, near: float) -> bool:
    """Print the share found of each make."""
    good = True
    for name in makes(problems, random.Random(0)):
        shares = []
        for seed in range(seeds):
            rng = random.Random(seed)
            make = makes(problems, rng)[name]
            shares.append(found_share(problems, [make(problem) for problem in problems], near))
        share, target = sum(shares) / len(shares), TARGETS.get(name, EMBEDDED)
        good &= share >= target
        print(f"{name:<22} found {share:.2%} of {len(problems):,} (target ≥ {target:.0%}) {_passed(share >= target)}")
    return good


def different(name: str, problems: Sequence[str], most: float, near: float) -> bool:
    """Print which of problems that all are different ones are dropped, with what they are said to copy."""
    found = drops(problems, near)
    for place, drop in found.items():
        print(f"  {drop.details['rule']} {drop.details['similarity']}\n    {problems[place]!r}")
        print(f"    {problems[int(drop.details['copy_of'])]!r}")
    share = len(found) / max(1, len(problems))
    print(f"{name}: {len(found):,} of {len(problems):,} dropped ({share:.2%}, target ≤ {most:.1%})", end=" ")
    print(_passed(share <= most))
    return share <= most


def _passed(met: bool) -> str:
    return "PASS" if met else "MISS"


def main() -> int:
    parser = Options(__doc__, seeds=1, planted=20, made=60)
    parser.add_argument("--problems", type=Path, help="a folder of rows; made-up problems without it")
    parser.add_argument("--planted", type=int, default=PLANTED)
    parser.add_argument("--made", type=int, default=MADE)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--near", type=float, default=0.85)
    chosen = parser.parse_args()
    if chosen.problems:
        real = read_problems(chosen.problems)
    else:
        real = [problem for problem, _ in made_up(chosen.planted, 2, copies=0)]
    drawn = random.Random(0).sample(real, min(chosen.planted, len(real)))
    good = planted(drawn, chosen.seeds, chosen.near)
    good &= different("different problems", real, REAL_DROPPED, chosen.near)
    good &= different("made from templates", templates(chosen.made, random.Random(0)), MADE_DROPPED, chosen.near)
    short = templates(chosen.made // 10, random.Random(0), SHORT)
    good &= different("made from short templates", short, MADE_DROPPED, chosen.near)
    return verdict(chosen, good)


if __name__ == "__main__":
    sys.exit(main())
