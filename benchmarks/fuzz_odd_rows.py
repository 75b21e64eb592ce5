"""Do rows with unusual text and numbers survive every format, unchanged or replaced and counted?

    python benchmarks/fuzz_odd_rows.py [--seconds 300] [--seed 0] [--smallest]

Writes and reads random rows (`tests/fuzz/odd_rows.py`). Prints the number of trials; each failure is shown with its
seed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from tests.fuzz.odd_rows import trial


def main() -> int:
    parser = Options(__doc__, seconds=1.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    finds, seed, until = [], chosen.seed, time.monotonic() + chosen.seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until:
            if find := trial(seed, Path(folder)):
                finds.append(f"seed {seed}: {find}")
            seed += 1
    print(f"{seed - chosen.seed:,} trials in {chosen.seconds:,.0f} s, {len(finds):,} finds")
    for find in finds[:20]:
        print(find)
    print("MISS" if finds else "PASS")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
