"""The concepts of the nano world and the seed problems' concept combinations, written to `concepts.jsonl`.

Decides which operations a concept belongs to and which concepts go together; how problems are made of them is left to
`problems`. Run as `python -m nano.catalogue`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

from nano.operations import OPERATIONS, Operation

LEVELS = ("AMC12", "AIME", "HMMT-Feb")
CONCEPTS = tuple(dict.fromkeys(concept for operation in OPERATIONS for concept in operation.concepts))
PATH = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "concepts.jsonl"

Seed = tuple[tuple[str, ...], str]


def steps_of(level: str) -> int:
    """The number of operations that a level asks for. Raises ValueError for an unknown level."""
    return LEVELS.index(level) + 1


def operations_with(concept: str) -> tuple[Operation, ...]:
    return tuple(operation for operation in OPERATIONS if concept in operation.concepts)


def seeds(seed: int = 0, crossing: int = 460) -> list[Seed]:
    """Concept combinations with their levels: all of each operation, and `crossing` over two or three operations.

    No pair occurs more than twice outside its own operation, so that the counts stay flat.
    """
    rng = random.Random(f"nano catalogue {seed}")
    rows: list[Seed] = [(operation.concepts, "AMC12") for operation in OPERATIONS]
    rows += [(pair, "AMC12") for operation in OPERATIONS for pair in combinations(operation.concepts, 2)]
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
    """One concept, sometimes two, of each of two or three operations."""
    steps = rng.choice((2, 2, 2, 3))
    chosen: list[str] = []
    for operation in rng.sample(OPERATIONS, steps):
        free = [concept for concept in operation.concepts if concept not in chosen]
        chosen += rng.sample(free, min(len(free), rng.choice((1, 1, 1, 2))))
    concepts = tuple(chosen[:5]) if len(chosen) > 1 else _crossing(rng)[0]
    return concepts, LEVELS[steps - 1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nano.catalogue", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="default: where the package has it")
    path = parser.parse_args().out
    rows = [{"concepts": list(concepts), "level": level, "source": "nano"} for concepts, level in seeds()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{len(rows)} seeds over {len(CONCEPTS)} concepts in {path.name}")


if __name__ == "__main__":
    main()
