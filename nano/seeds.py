"""Writes the seed problems of the nano world: what a cold start begins with, as contest problems are elsewhere.

Problems with their level and answer, from what training may see, in whatever wording, so that the benchmark stays held
out. Run as `python -m nano.seeds`.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from nano.catalogue import LEVELS
from nano.holdout import held_out_phrase
from nano.problems import Design, DesignError, design
from promptcot.storage.atomic import write_whole

PATH = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "seeds.jsonl"
COUNT = 1500


def rows(seed: int = 0, count: int = COUNT) -> list[dict[str, str]]:
    """Different problems, the levels in turn."""
    rng = random.Random(f"nano seeds {seed}")
    found: dict[str, Design] = {}
    while len(found) < count:
        try:
            made = design((), LEVELS[len(found) % len(LEVELS)], rng)
        except DesignError:
            continue
        if not any(held_out_phrase(phrase) for step in made.steps for phrase in step.family.phrases(step.operands)):
            found.setdefault(made.problem, made)
    return [_row(number, made) for number, made in enumerate(found.values(), 1)]


def _row(number: int, made: Design) -> dict[str, str]:
    return {
        "id": f"seed-{number:04d}",
        "problem": made.problem,
        "level": made.level,
        "answer": str(made.answer),
        "source": "nano",
    }


def main() -> None:
    """Write the seed problems; the same rows every time."""
    parser = argparse.ArgumentParser(prog="python -m nano.seeds", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="default: where the package has it")
    path = parser.parse_args().out
    written = rows()
    write_whole(path, "".join(json.dumps(row) + "\n" for row in written).encode())
    print(f"{len(written)} seed problems in {path.name}")


if __name__ == "__main__":
    main()
