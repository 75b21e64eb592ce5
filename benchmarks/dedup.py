"""The cost of `dedup`: rows per second, memory, and the share of planted copies that it finds.

    python benchmarks/dedup.py [--rows 1000000] [--compare [--problems FOLDER]] [--smallest]

Problems of 60 to 120 tokens are made up, of which 5 % are an earlier one with a tenth of its words changed, and 20 %
share a sentence with about twenty others. The command itself runs over the file, as a user would type it.

With `--compare`, it is compared with datasketch: MinHash of the same short shingles of the same normalised text, 128
permutations, and its LSH, which gives the rows before that are likely copies; a row that has none is inserted. It is
timed on 50,000 of the problems at a similarity of 0.5, with `update` for each shingle, as its documentation shows it,
and with `update_batch`; the faster way counts. What both find is compared on problems that are copied
in each of the ways of `dedup_planted.py` (those of `--problems FOLDER`, or made-up ones), and on problems from
templates, of which none is a copy: datasketch at 0.85, which is how alike copies are said to be here, and at 0.5, each
candidate counted as a copy.
Targets: 15 minutes and 4 GB for a million on two cores; five times the rows a second of datasketch, and more copies
found without more false ones.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from _options import Options, verdict
from _planted import SHORT, made_up, makes, read_problems, templates
from dedup_planted import PLANTED, drops

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


def dropped_by_datasketch(problems: Sequence[str], threshold: float, at_once: bool = True) -> set[int]:
    """The places of problems that have a candidate among those that stay before them."""
    from datasketch import MinHash, MinHashLSH

    table, dropped = MinHashLSH(threshold=threshold, num_perm=128), set[int]()
    for place, problem in enumerate(problems):
        text = Text.of(problem).plain
        runs = {text[first : first + 5].encode() for first in range(max(1, len(text) - 4))}
        sketch = MinHash(num_perm=128)
        if at_once:
            sketch.update_batch(runs)
        else:
            for run in runs:
                sketch.update(run)
        if table.query(sketch):
            dropped.add(place)
        else:
            table.insert(place, sketch)
    return dropped


def measure(folder: Path, rows: int) -> bool:
    """Print what a file of so many rows takes; whether that meets the targets, scaled to a million rows."""
    copies = write(folder / "rows.jsonl", rows)
    dropped, seconds, memory = found_by_us(folder / "rows.jsonl", folder / "kept.jsonl")
    hits = len(copies.keys() & dropped.keys())
    print(f"{rows:,} rows: {seconds:,.0f} s, {rows / seconds:,.0f} rows a second, {memory / 1e9:.2f} GB")
    print(f"  {hits:,} of {len(copies):,} copies found ({hits / max(1, len(copies)):.2%}), ", end="")
    print(f"{len(dropped.keys() - copies.keys()):,} other rows dropped")
    good = seconds <= SECONDS * rows / 1e6 and memory <= BYTES
    print(f"  targets: {SECONDS:,} s for a million rows, {BYTES / 1e9:.0f} GB: {_passed(good)}")
    return good


def compare(folder: Path, rows: int) -> bool:
    """Print rows a second beside datasketch; whether the quicker way of it is slow enough, and finds no more."""
    copies = write(folder / "compared.jsonl", rows)
    dropped, ours, _ = found_by_us(folder / "compared.jsonl", folder / "ours.jsonl")
    recalled = len(copies.keys() & dropped.keys()) / max(1, len(copies))
    print(f"{rows:,} rows: ours {rows / ours:,.0f} rows a second, found {recalled:.2%}")
    ratios, good = [], True
    for at_once, name in ((False, "update"), (True, "update_batch")):
        begun = time.perf_counter()
        lines = map(json.loads, (folder / "compared.jsonl").read_text().splitlines())
        places = dropped_by_datasketch([row["problem"] for row in lines], 0.5, at_once)
        theirs = time.perf_counter() - begun
        found = len(copies.keys() & {f"{place:08}" for place in places}) / max(1, len(copies))
        print(f"  datasketch, {name}: {rows / theirs:,.0f} rows a second, found {found:.2%}", end="; ")
        print(f"ours is {theirs / ours:.1f} times as quick")
        ratios.append(theirs / ours)
        good &= recalled >= found
    good &= min(ratios) >= FASTER
    print(f"  target: {FASTER:.0f} times the rows a second of the quicker way, no less found: {_passed(good)}")
    return good


def compare_finds(problems: Sequence[str], made: int) -> bool:
    """Print what both find of planted copies, and what they drop that is none; whether ours finds more at both."""
    ways: dict[str, Callable[[Sequence[str]], Collection[int]]] = {
        "ours": lambda texts: drops(texts, 0.85),
        "datasketch at 0.85": lambda texts: dropped_by_datasketch(texts, 0.85),
        "datasketch at 0.5": lambda texts: dropped_by_datasketch(texts, 0.5),
    }
    print(f"{'found of copies with':<30}" + "".join(f"{name:>20}" for name in ways))
    totals = Counter[str]()
    for name, make in makes(problems, random.Random(0)).items():
        pairs = [(problem, copy) for problem in problems if (copy := make(problem)) is not None]
        texts = [*(problem for problem, _ in pairs), *(copy for _, copy in pairs)]
        shares = {way: _behind(drop(texts), len(pairs)) / max(1, len(pairs)) for way, drop in ways.items()}
        totals.update(shares)
        print(f"  {name:<28}" + "".join(f"{share:>20.2%}" for share in shares.values()))
    different = [*problems, *templates(made, random.Random(0)), *templates(made // 10, random.Random(0), SHORT)]
    wrong = {way: len(drop(different)) / len(different) for way, drop in ways.items()}
    print(f"{'dropped of different ones':<30}" + "".join(f"{share:>20.2%}" for share in wrong.values()))
    theirs = [way for way in ways if way != "ours"]
    good = all(totals["ours"] > totals[way] and wrong["ours"] <= wrong[way] for way in theirs)
    print(f"  target: more found, and no more of the different ones dropped: {_passed(good)}")
    return good


def _behind(dropped: Collection[int], first: int) -> int:
    return sum(place >= first for place in dropped)


def _passed(good: bool) -> str:
    return "PASS" if good else "MISS"


def main() -> int:
    parser = Options(__doc__, rows=300, compared=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--compare", action="store_true", help="set datasketch beside it")
    parser.add_argument("--compared", type=int, default=COMPARED)
    parser.add_argument(
        "--problems", type=Path, help="a folder of rows to plant copies of; made-up problems without it"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        good = measure(Path(name), chosen.rows)
        if chosen.compare or chosen.smallest:
            good &= compare(Path(name), chosen.compared)
            problems = read_problems(chosen.problems) if chosen.problems else [text for text, _ in made_up(2000, 2, 0)]
            drawn = random.Random(0).sample(problems, min(len(problems), 20 if chosen.smallest else PLANTED))
            good &= compare_finds(drawn, 10 if chosen.smallest else 2000)
    return verdict(chosen, good)


if __name__ == "__main__":
    sys.exit(main())
