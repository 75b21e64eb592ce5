"""Calls that are paid for twice: `promptcot generate` is killed with -9 five times, and repeated calls are counted.

    python benchmarks/http_interruption.py [--rows 1000] [--smallest]

Latency 0.5 s (log-normal, sigma 0.3), 64 calls in flight. A kill comes whenever another sixth of the replies is in the
journal; the sixth start runs to the end. The output must be that of an undisturbed run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import DEVNULL

from _mock import generate, mock_server, stats, write_rows
from _options import Options, verdict

sys.path.append(str(Path(__file__).parents[1]))
from tests.fuzz.moments import Moment
from tests.programs import started

TARGET_AGAIN = 10


def main() -> int:
    parser = Options(__doc__, rows=60, kills=2)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    chosen = parser.parse_args()
    rows, parts = chosen.rows, chosen.kills + 1
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", "0.5", "--latency-spread", "0.3") as url:
        folder = Path(name)
        write_rows(folder / "in.jsonl", rows)
        command = [*generate(folder / "in.jsonl", folder / "out.jsonl", url), "--concurrency", "64"]
        moment = Moment(rows // parts, r"^after write out\.journal/calls\.jsonl")
        kills = [_killed(command, moment, folder, url) for _ in range(1, parts)]
        journaled = (folder / "out.journal" / "calls.jsonl").read_bytes().count(b"\n")
        subprocess.run(command, check=True, capture_output=True)
        seen = stats(url)
        subprocess.run([*generate(folder / "in.jsonl", folder / "whole.jsonl", url)], check=True, capture_output=True)
        same = (folder / "out.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()
    again = seen["answered"] - seen["distinct_answered"]
    print(f"{rows:,} rows, killed after {', '.join(map(str, kills))} replies; then {journaled:,} were journaled")
    print(f"replies sent      {seen['answered']:7,}")
    print(f"sent twice        {again:7,} (target ≤ {TARGET_AGAIN})")
    print(f"the same output   {same}")
    return verdict(chosen, again <= TARGET_AGAIN, right=same)


def _killed(command: list[str], moment: Moment, folder: Path, url: str) -> int:
    """Start a run that is killed at this moment; how many replies the server has sent in all by then."""
    events = folder / "events"
    events.unlink(missing_ok=True)
    with started(command, env=moment.environment(folder, events), stdout=DEVNULL, stderr=DEVNULL) as process:
        if process.wait() != -moment.how:
            raise SystemExit("the run ended before it was killed; take more rows")
    return int(stats(url)["answered"])


if __name__ == "__main__":
    sys.exit(main())
