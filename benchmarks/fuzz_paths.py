"""Is there a command line that loses an input?

    python benchmarks/fuzz_paths.py [--seconds 120] [--seed 1000000] [--smallest]

Outputs refer to inputs by name, by links, through other folders, or as companion files; some paths are not files.
Prints the trials by exit code, and each find with its seed; exits 1 on a find. `--seed N --seconds 0` tries one seed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from tests.fuzz.paths import trial


def main() -> int:
    options = Options(__doc__, seconds=1.0)
    options.add_argument("--seconds", type=float, default=120.0)
    options.add_argument("--seed", type=int, default=1_000_000)
    chosen = options.parse_args()
    ends: Counter[int | None] = Counter()
    finds, seed, home = 0, chosen.seed, Path.cwd()
    until = time.monotonic() + chosen.seconds
    while seed == chosen.seed or time.monotonic() < until:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            found = trial(seed, Path(folder))
            os.chdir(home)
        ends[found.code] += 1
        for find in found.finds:
            finds += 1
            print(f"FIND seed {seed}: {found.line}: {find}")
        seed += 1
    told = ", ".join(f"{count:,} with exit code {code}" for code, count in ends.most_common())
    print(f"{ends.total():,} trials: {told}; {finds} finds")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
