"""The concepts of the nano world and the seed problems' concept combinations, written to `concepts.jsonl`.

Decides which families a concept belongs to and which concepts go together; how problems are made of them is left to
`problems`. Run as `python -m nano.catalogue`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from pathlib import Path

from nano.families import FAMILIES, Family
from promptcot.storage.atomic import write_whole

LEVELS = ("AMC12", "AIME", "HMMT-Feb")
CONCEPTS = tuple(dict.fromkeys(concept for family in FAMILIES for concept in family.concepts))
PATH = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "concepts.jsonl"

Seed = tuple[tuple[str, ...], str]


def steps_of(level: str) -> int:
    """The number of steps that a level asks for. Raises ValueError for an unknown level."""
    return LEVELS.index(level) + 1


@cache
def families_with(concept: str) -> tuple[Family, ...]:
    """The families that have the concept, in the order of the table; none for an unknown concept."""
    return tuple(family for family in FAMILIES if concept in family.concepts)


def has_problem(concepts: Sequence[str], level: str) -> bool:
    """Whether a problem of the level can use all the concepts: one at most of its families can only stand first."""
    for chosen in product(*map(families_with, concepts)):
        slots = {family.key: family.slot for family in chosen}
        if len(slots) <= steps_of(level) and list(slots.values()).count("") <= 1:
            return True
    return False


def seeds() -> list[Seed]:
    """The combinations that were drawn, without those that no problem can have."""
    return [(concepts, level) for concepts, level in drawn() if has_problem(concepts, level)]


def drawn(seed: int = 0, crossing: int = 460) -> list[Seed]:
    """Concept combinations with their levels: all of each family, and `crossing` over two or three families.

    No pair occurs more than twice outside its own family, so that the counts stay flat.
    """
    rng = random.Random(f"nano catalogue {seed}")
    rows: list[Seed] = [(family.concepts, LEVELS[0]) for family in FAMILIES]
    rows += [(pair, LEVELS[0]) for family in FAMILIES for pair in combinations(family.concepts, 2)]
    counts = Counter(pair for concepts, _ in rows for pair in _pairs(concepts))
    crossed = 0
    while crossed < crossing:
        row = _crossing(rng)
        if all(counts[pair] < 2 for pair in _pairs(row[0])):
            counts.update(_pairs(row[0]))
            rows.append(row)
            crossed += 1
    rng.shuffle(rows)
    return rows


def _pairs(concepts: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(min(pair), max(pair)) for pair in combinations(concepts, 2)]


def _crossing(rng: random.Random) -> Seed:
    """One concept of each of two or three families.

    Where two of one family are drawn, `drawn` refuses the row, since all their pairs are taken.
    """
    while True:
        steps = rng.choice((2, 3))
        chosen: list[str] = []
        for family in rng.sample(FAMILIES, steps):
            free = [concept for concept in family.concepts if concept not in chosen]
            chosen += rng.sample(free, min(len(free), rng.choice((1, 1, 1, 2))))
        concepts = tuple(chosen)
        if least_families(concepts) == steps:
            return concepts, LEVELS[steps - 1]


@cache
def least_families(concepts: tuple[str, ...]) -> int:
    """The least number of families that have all the concepts."""
    wanted = set(concepts)
    for size in range(1, len(concepts)):
        for chosen in combinations([family for family in FAMILIES if wanted & set(family.concepts)], size):
            if wanted <= {concept for family in chosen for concept in family.concepts}:
                return size
    return len(concepts)


def main() -> None:
    """Write the seed combinations; the same rows every time."""
    parser = argparse.ArgumentParser(prog="python -m nano.catalogue", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="default: where the package has it")
    path = parser.parse_args().out
    rows = [{"concepts": list(concepts), "level": level, "source": "nano"} for concepts, level in seeds()]
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    print(f"{len(rows)} seeds over {len(CONCEPTS)} concepts in {path.name}")


if __name__ == "__main__":
    main()
