"""Wall time of two commands as a user types them: `promptcot --help`, and a run with 64 combinations.

python benchmarks/commands.py [--runs 5] [--smallest]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _options import Options, verdict

HELP_SECONDS = 0.4
RUN_SECONDS = 90.0


def seconds(command: Sequence[str]) -> float:
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


def main() -> int:
    parser = Options(__doc__, runs=1, combinations=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--combinations", type=int, default=64)
    chosen = parser.parse_args()
    runs, combinations = chosen.runs, str(chosen.combinations)
    promptcot = str(Path(sys.executable).with_name("promptcot"))
    bare = statistics.median(seconds([sys.executable, "-c", "pass"]) for _ in range(runs))
    helped = statistics.median(seconds([promptcot, "--help"]) for _ in range(runs))
    with tempfile.TemporaryDirectory() as folder:
        ran = seconds([promptcot, "run", "--max-candidates", combinations, "--output-dir", folder])
        stages = json.loads(Path(folder, "summary.json").read_bytes())["stages"]
    labelled = stages["label"]["out"]  # a run that loses all rows on the way is quick, but has not done its work
    heavy = (
        "import sys, promptcot.cli.root; sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'pydantic')))"
    )
    light = subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
    print(f"python -c pass       {bare:7.3f} s")
    print(f"promptcot --help     {helped:7.3f} s (target ≤ {HELP_SECONDS}); ratio {helped / bare:.1f}; light: {light}")
    print(f"promptcot run        {ran:7.1f} s (target ≤ {RUN_SECONDS:.0f}) for {stages['sample']['out']} combinations")
    print(f"                     {labelled} labelled (target ≥ 1)")
    return verdict(chosen, helped <= HELP_SECONDS and ran <= RUN_SECONDS and labelled > 0, right=light)


if __name__ == "__main__":
    sys.exit(main())
