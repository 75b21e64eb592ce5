"""Writer against checker of the nano world: do they agree on every problem, and how fast does the checker read?

Both sides share nothing but nano/LANGUAGE.md. Prints one line for agreement and one for speed; exits with 1, and with
the first problems on which the sides differ, if they do.

    python benchmarks/nano_checker.py [--problems 100000] [--smallest]
"""

import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the writer is not part of the installed package

from _options import Options

from nano.problems import Design, DesignError, design
from promptcot.nano import CONCEPTS, Solution, check
from promptcot.nano.checker import LEVELS
from promptcot.nano.rationales import kind

SHOWN = 5


def designs(seed: int) -> Iterator[Design]:
    """Problems of all levels for any concepts, without end; combinations that do not fit a level are passed over."""
    rng = random.Random(seed)
    concepts = sorted({concept for group in CONCEPTS.values() for concept in group})
    while True:
        try:
            yield design(rng.sample(concepts, rng.randint(1, 3)), rng.choice(LEVELS), rng)
        except DesignError:
            continue


def agree(made: Design, outcome: object) -> bool:
    """Whether the checker found the writer's answer and level, and a rationale that designs first."""
    return (
        isinstance(outcome, Solution)
        and (outcome.answer, outcome.level) == (str(made.answer), made.level)
        and kind(made.rationale, made.problem) == "design-first"
    )


def main() -> int:
    parser = Options(__doc__, problems=100)
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    differing, writing, checking = [], 0.0, 0.0
    last = time.perf_counter()
    for made in islice(designs(options.seed), options.problems):
        text = made.problem
        written = time.perf_counter()
        outcome = check(text)
        done = time.perf_counter()
        writing, checking = writing + written - last, checking + done - written
        if not agree(made, outcome):
            differing.append(f"{text}\n  writer: {made.answer}, {made.level}, {made.rationale}\n  checker: {outcome}")
        last = time.perf_counter()
    count = options.problems
    print(f"agreement: {count - len(differing):,} of {count:,} problems ({1 - len(differing) / count:.3%})")
    print(
        f"speed: checker {count / checking:,.0f} problems/s, writer {count / writing:,.0f} problems/s,"
        f" ratio {writing / checking:.2f}"
    )
    print(*differing[:SHOWN], sep="\n", end="\n" if differing else "")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
