"""Memory over many rows: `promptcot generate` with a million rows through the mock server.

python benchmarks/http_memory.py [--rows 1000000] [--smallest]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _mock import generate, mock_server, run, write_rows
from _options import Options, verdict

TARGET_MEGABYTES = 600


def main() -> int:
    parser = Options(__doc__, rows=100)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    rows = chosen.rows
    with tempfile.TemporaryDirectory() as name, mock_server("--no-ledger", "--reply-tokens", "40") as url:
        folder = Path(name)
        write_rows(folder / "in.jsonl", rows, words=10)
        used = run(generate(folder / "in.jsonl", folder / "out.jsonl", url), str(folder / "log"))
        if used.code:
            raise SystemExit((folder / "log").read_text())
    print(f"{rows:,} rows in {used.seconds:,.0f} s, {1000 * used.cpu / rows:.2f} ms of CPU a row")
    print(f"peak memory {used.megabytes:,.0f} MB (target ≤ {TARGET_MEGABYTES})")
    return verdict(chosen, used.megabytes <= TARGET_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
