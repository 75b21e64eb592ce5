"""Writes the 200 held-out benchmark problems, in the public row format with a level.

The first step has numbers that no training text has in its wording, and in more than half of the problems in neither
wording of the family; chains of two and three are also compositions that no training text has. Run as `python -m
nano.benchmark`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from nano.catalogue import LEVELS
from nano.designing import Drawn
from nano.families import BY_KEY, FAMILIES, Family
from nano.holdout import held_out_chain, held_out_phrase
from nano.problems import Design, DesignError, Rule, design
from promptcot.storage.atomic import write_whole

PATH = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "benchmark.jsonl"
COUNTS = dict(zip(LEVELS, (67, 67, 66), strict=True))
_DRAWS = 1500
"""Of the numbers of a first step; families have between about 30 and some thousand different ones."""


def rows(seed: int = 0) -> list[dict[str, str]]:
    """The benchmark's rows, level by level."""
    return [_row(number, made) for number, made in enumerate(designs(seed), 1)]


def designs(seed: int = 0) -> list[Design]:
    """The benchmark's problems, built only from held-out material.

    The families of first steps take turns, and no two problems of a level begin with the same numbers.
    """
    rng = random.Random(f"nano benchmark {seed}")
    firsts = {family.key: _first_steps(family, rng) for family in FAMILIES}
    return [made for level, count in COUNTS.items() for made in _level(level, count, firsts, rng)]


def _level(level: str, count: int, firsts: Mapping[str, Sequence[Drawn]], rng: random.Random) -> list[Design]:
    """So many problems of a level."""
    waiting = {key: list(steps) for key, steps in firsts.items()}
    found: list[Design] = []
    for key in cycle(firsts):
        if len(found) == count:
            break
        if waiting[key] and (made := _beginning_with(BY_KEY[key], waiting[key].pop(0), level, rng)):
            found.append(made)
    return found


def _first_steps(family: Family, rng: random.Random) -> list[Drawn]:
    """Numbers of a first step that are held out: those in both wordings come first."""
    drawn = {tuple(made.operands.items()): made for _ in range(_DRAWS) if (made := family.draw(rng, 0))}
    ranked = [(sum(map(held_out_phrase, family.phrases(made.operands))), made) for made in drawn.values()]
    return [made for times, made in sorted(ranked, key=lambda one: -one[0]) if times]


def _beginning_with(family: Family, first: Drawn, level: str, rng: random.Random) -> Design | None:
    """A problem that begins with these numbers; their wording and the chain are held out. None if there is none."""
    rule = Rule(
        lambda keys: keys[0] == family.key and (len(keys) == 1 or held_out_chain(keys)),
        lambda made: held_out_phrase(made.steps[0].valued),
    )
    try:
        return design((), level, rng, rule, lambda drawing, rng, before: drawing.draw(rng, before) if before else first)
    except DesignError:
        return None


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
    """Write the benchmark; the same rows every time."""
    parser = argparse.ArgumentParser(prog="python -m nano.benchmark", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="default: where the package has it")
    path = parser.parse_args().out
    written = rows()
    write_whole(path, "".join(json.dumps(row) + "\n" for row in written).encode())
    print(f"{len(written)} problems in {path.name}")


if __name__ == "__main__":
    main()
