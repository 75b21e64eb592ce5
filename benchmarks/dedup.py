"""What `dedup` takes: rows a second, memory, and how many of the planted copies it finds.

    python benchmarks/dedup.py [--rows 1000000] [--compare] [--smallest]

Problems of 60 to 120 tokens are made up, of which 5 % are an earlier one with a tenth of its words changed, and 20 %
share a sentence with about twenty others. The command itself runs over the file, as a user would type it. With
`--compare`, datasketch (MinHash of the same short shingles, 128 permutations, its LSH at a similarity of 0.5) is timed
beside it on 50,000 of them, with `update` for each shingle, as its documentation shows it, and with `update_batch`.
Every candidate counts as found there, so that its recall is the best that it could have.
Targets: 15 minutes and 4 GB for a million on two cores; five times the rows a second of datasketch, and better recall.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from _options import Options, verdict
from _planted import made_up

from promptcot.core.overlap.near import Text

SECONDS, BYTES, FASTER = 900, 4e9, 5.0
COMPARED = 50_000
ARGUMENTS = ["-m", "promptcot", "dedup", "--data_path"]


def write(path: Path, rows: int) -> dict[str, str]:
    """Make the rows; of those that are copies, by their ids, what they copy."""
    copies: dict[str, str] = {}
    with path.open("w") as file:
        for place, (problem, source) in enumerate(made_up(rows, 1)):
            file.write(json.dumps({"id": f"{place:08}", "problem": problem}) + "\n")
            if source is not None:
                copies[f"{place:08}"] = f"{source:08}"
    return copies


def found_by_us(path: Path, output: Path) -> tuple[dict[str, str], float, int]:
    """What the command drops and of which row it says that it is a copy; its seconds, and the most memory it took."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *ARGUMENTS, str(path), "--output_path", str(output)], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"dedup ended with {process.returncode}")
    dropped = map(json.loads, output.with_name(f"{output.stem}.dropped.jsonl").read_text().splitlines())
    return {row["id"]: row["copy_of"] for row in dropped}, seconds, used.ru_maxrss * 1024


def found_by_datasketch(path: Path, at_once: bool) -> tuple[dict[str, set[str]], float]:
    """The candidates that its LSH gives for each row among the rows before, and its seconds."""
    from datasketch import MinHash, MinHashLSH

    table, found = MinHashLSH(threshold=0.5, num_perm=128), {}
    begun = time.perf_counter()
    for line in path.read_text().splitlines():
        row = json.loads(line)
        text = Text.of(row["problem"]).plain
        runs = {text[first : first + 5].encode() for first in range(max(1, len(text) - 4))}
        sketch = MinHash(num_perm=128)
        if at_once:
            sketch.update_batch(runs)
        else:
            for run in runs:
                sketch.update(run)
        found[row["id"]] = set(table.query(sketch))
        table.insert(row["id"], sketch)
    return found, time.perf_counter() - begun


def measure(folder: Path, rows: int) -> bool:
    """Print what a file of so many rows takes; whether that meets the targets, scaled to a million rows."""
    copies = write(folder / "rows.jsonl", rows)
    dropped, seconds, memory = found_by_us(folder / "rows.jsonl", folder / "kept.jsonl")
    hits = len(copies.keys() & dropped.keys())
    print(f"{rows:,} rows: {seconds:,.0f} s, {rows / seconds:,.0f} rows a second, {memory / 1e9:.2f} GB")
    print(f"  {hits:,} of {len(copies):,} copies found ({hits / max(1, len(copies)):.2%}), ", end="")
    print(f"{len(dropped.keys() - copies.keys()):,} other rows dropped")
    good = seconds <= SECONDS * rows / 1e6 and memory <= BYTES
    print(f"  targets: {SECONDS:,} s for a million rows, {BYTES / 1e9:.0f} GB: {'PASS' if good else 'MISS'}")
    return good


def compare(folder: Path, rows: int) -> bool:
    """Print rows a second and recall beside datasketch. The target is for its documented use."""
    copies = write(folder / "compared.jsonl", rows)
    dropped, ours, _ = found_by_us(folder / "compared.jsonl", folder / "ours.jsonl")
    print(f"{rows:,} rows: ours {rows / ours:,.0f} rows a second, found {_share(copies, dropped):.2%}")
    good = True
    for at_once, name in ((False, "update"), (True, "update_batch")):
        candidates, theirs = found_by_datasketch(folder / "compared.jsonl", at_once)
        recalled = _share(copies, candidates)
        print(f"  datasketch, {name}: {rows / theirs:,.0f} rows a second, found {recalled:.2%} at best", end="; ")
        print(f"ours is {theirs / ours:.1f} times as quick")
        good &= at_once or theirs >= FASTER * ours
        good &= _share(copies, dropped) >= recalled
    print(f"  target: {FASTER:.0f} times the rows a second of `update`, no less found: {'PASS' if good else 'MISS'}")
    return good


def _share(copies: Mapping[str, str], found: Mapping[str, object]) -> float:
    return sum(bool(found.get(name)) for name in copies) / max(1, len(copies))


def main() -> int:
    parser = Options(__doc__, rows=300, compared=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--compare", action="store_true", help="set datasketch beside it")
    parser.add_argument("--compared", type=int, default=COMPARED)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        good = measure(Path(name), chosen.rows)
        if chosen.compare or chosen.smallest:
            good &= compare(Path(name), chosen.compared)
    return verdict(chosen, good)


if __name__ == "__main__":
    sys.exit(main())
