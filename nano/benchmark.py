"""Writes the 200 held-out benchmark problems, in the public row format with a level.

The first step has numbers that no training text has, in neither wording of its family; chains of two and three are also
compositions that no training text has. Run as `python -m nano.benchmark`.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from nano.catalogue import LEVELS
from nano.designing import Drawn
from nano.families import Family
from nano.holdout import held_out_chain, held_out_phrase
from nano.problems import Design, DesignError, Rule, design
from promptcot.storage.atomic import write_whole

PATH = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "benchmark.jsonl"
COUNTS = dict(zip(LEVELS, (67, 67, 66), strict=True))


def _new_numbers(family: Family, rng: random.Random, reference: int) -> Drawn | None:
    """Numbers for a step; those of a first step are held out in both wordings, as one draw in 256 is."""
    if reference:
        return family.draw(rng, reference)
    for _ in range(300):
        drawn = family.draw(rng, 0)
        if drawn and all(held_out_phrase(wording.format_map(drawn.operands)) for wording in family.wordings):
            return drawn
    return None


_ONE = Rule(lambda keys: True, lambda made: True)
_MORE = Rule(held_out_chain, lambda made: True)


def rows(seed: int = 0) -> list[dict[str, str]]:
    """The benchmark's rows, level by level."""
    return [_row(number, made) for number, made in enumerate(designs(seed), 1)]


def designs(seed: int = 0) -> list[Design]:
    """The benchmark's problems, built only from held-out material; no two of a level begin with the same numbers."""
    rng = random.Random(f"nano benchmark {seed}")
    found: dict[tuple[object, ...], Design] = {}
    for level, count in COUNTS.items():
        goal = len(found) + count
        while len(found) < goal:
            try:
                made = design((), level, rng, _ONE if level == LEVELS[0] else _MORE, _new_numbers)
            except DesignError:
                continue
            first = made.steps[0]
            found.setdefault((level, first.family.key, *first.operands.values()), made)
    return list(found.values())


def _row(number: int, made: Design) -> dict[str, str]:
    return {
        "id": f"nano-{number:03d}",
        "prompt": made.problem + "\n",
        "problem": made.problem,
        "reference_solution": f"{made.solution}\n#### {made.answer}",
        "source": "nano",
        "level": made.level,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nano.benchmark", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="default: where the package has it")
    path = parser.parse_args().out
    written = rows()
    write_whole(path, "".join(json.dumps(row) + "\n" for row in written).encode())
    print(f"{len(written)} problems in {path.name}")


if __name__ == "__main__":
    main()
