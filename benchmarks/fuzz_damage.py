"""Does damage to a journal or a state file ever give a traceback, another text or grade, or calls paid twice?

    python benchmarks/fuzz_damage.py [--trials 10000] [--seed 0] [--smallest]

Each trial damages a journal, the grades, or another state file (tests/fuzz/damaged_files.py) once or twice, does the
same work again, and compares. Prints the number of trials by result; each failure is shown with its seed.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from promptcot.grading import Graders
from tests.fuzz.damaged_files import Damage

_MOST_SHOWN = 20


def main() -> int:
    parser = Options(__doc__, trials=50)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    tried: Counter[str] = Counter()
    finds: list[tuple[int, str, str]] = []
    began = time.monotonic()
    with TemporaryDirectory() as folder, Graders(workers=1, limit=20) as graders:
        damage = Damage(Path(folder, "damage"), graders)
        for seed in range(chosen.seed, chosen.seed + chosen.trials):
            name, said = damage.trial(seed)
            tried[name] += 1
            if said:
                finds.append((seed, name, said))
    print(f"{tried.total():,} trials in {time.monotonic() - began:,.0f} s: ", end="")
    print(", ".join(f"{count:,} of {name}" for name, count in tried.most_common()))
    kinds = Counter(
        (name, said.partition(":")[0].partition(" calls")[0].lstrip("0123456789 ")) for _, name, said in finds
    )
    for (name, kind), count in kinds.most_common():
        print(f"  {count:,} × {name}: {kind}")
    for seed, name, said in finds[:_MOST_SHOWN]:
        print(f"seed {seed}, {name}: {said}")
    print("MISS" if finds else "PASS")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
