"""The cost of faults: `promptcot generate` with a server that sometimes fails, against the same without faults.

    python benchmarks/http_faults.py [--rows 5000] [--smallest]

5 % 429 with Retry-After 1 s, 2 % 500, 1 % connections reset, 0.5 % stalls; latency 1 s, 64 calls in flight, idle
timeout 5 s. The two outputs must be the same, byte for byte.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from _mock import Used, generate, mock_server, run, stats, write_rows
from _options import Options, verdict

TARGET_RATIO = 1.25
FAULTS = ["--rate-429", "0.05", "--retry-after", "1", "--rate-500", "0.02"]
FAULTS += ["--rate-reset", "0.01", "--rate-stall", "0.005"]


def main() -> int:
    parser = Options(__doc__, rows=40, latency=0.1)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--latency", type=float, default=1.0)
    chosen = parser.parse_args()
    rows, latency = chosen.rows, ["--latency", str(chosen.latency)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "in.jsonl", rows)
        calm, _ = _pass(folder, "calm", latency)
        rough, seen = _pass(folder, "rough", [*latency, *FAULTS])
        same = (folder / "calm.jsonl").read_bytes() == (folder / "rough.jsonl").read_bytes()
        told = json.loads((folder / "rough.summary.json").read_text())["stages"]["generate"]
    ratio = rough.seconds / calm.seconds
    print(f"{rows:,} rows; faults that the server made: {seen['others']}")
    print(f"without faults  {calm.seconds:7.1f} s")
    print(f"with faults     {rough.seconds:7.1f} s, {told['failed']} failed, asked again: {told['asked_again']}")
    print(f"ratio           {ratio:7.2f} (target ≤ {TARGET_RATIO})")
    print(f"the same rows   {same}")
    return verdict(chosen, ratio <= TARGET_RATIO, right=same and told["out"] == rows)


def _pass(folder: Path, name: str, behaviour: list[str]) -> tuple[Used, dict[str, object]]:
    with mock_server(*behaviour) as url:
        command = generate(folder / "in.jsonl", folder / f"{name}.jsonl", url)
        used = run([*command, "--concurrency", "64", "--idle-timeout", "5"], str(folder / f"{name}.log"))
        if used.code:
            raise SystemExit((folder / f"{name}.log").read_text())
        return used, stats(url)


if __name__ == "__main__":
    sys.exit(main())
