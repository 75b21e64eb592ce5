"""The cost of an export: seconds and memory for a tenth of a set and for all, compared with a script using `datasets`.

    python benchmarks/export.py [--rows 1000000] [--smallest]

Rows are generated in the form of a set: a problem of some 300 characters with five concepts, a whole number as its
answer, and for `sft` a trace of about a thousand characters. Each export runs in a process of its own, without splits
and with 2 % for validation and 1 % for test. The script beside it is what people write by hand: it loads the same rows
with `datasets.load_dataset("json")`, maps them to the same columns and calls `to_parquet`. Targets: two minutes for a
million rows; the memory of a million at most 64 bytes a row above that of a tenth of them.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from _options import Options, verdict

from promptcot.storage.json import dumps

SECONDS, BYTES_A_ROW = 120.0, 64
FORMS = {"verl": False, "sft": True}
"""What is exported, and whether it has traces."""
HELD_OUT = 0.02

OURS = """
import sys
from pathlib import Path
from promptcot import domains
from promptcot.exports.examples import Reader
from promptcot.exports.files import Settings, write
from promptcot.exports.formats import format_of
from promptcot.exports.reading import rows_of
from promptcot.exports.splits import Shares

source, to, share, target = sys.argv[1:]
form = format_of(to)
reader = Reader(form.kind, domains.load("math"))
shares = Shares(float(share), float(share) / 2)
written = write(rows_of(Path(source), form.kind), reader, form, Path(target), Settings(shares), lambda line: None)
assert written.counts.rows_out == written.counts.rows_in, written.counts.summary()
"""
THEIRS = """
import sys
import datasets

source, to, _, target = sys.argv[1:]
ASKED = "\\n\\nReason step by step, and put your final answer within \\\\boxed{}."
KEPT = ["level", "agreement", "pass_rate", "model", "n", "foundational_concepts"]


def verl(row, index):
    info = {"split": "train", "index": index, "id": row["id"], **{name: row[name] for name in KEPT}}
    return {
        "data_source": "set",
        "prompt": [{"role": "user", "content": row["problem"] + ASKED}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": row["answer"]},
        "extra_info": info,
    }


def sft(row, index):
    chat = [{"role": "user", "content": row["problem"] + ASKED}, {"role": "assistant", "content": row["trace"]}]
    return {"messages": chat}


datasets.disable_progress_bars()
found = datasets.load_dataset("json", data_files=source, split="train", cache_dir=target + ".cache")
removed = [name for name in found.column_names if to == "verl" or name not in ("id", "problem", "answer", *KEPT)]
found.map({"verl": verl, "sft": sft}[to], with_indices=True, remove_columns=removed).to_parquet(target)
"""


@dataclass(frozen=True)
class Taken:
    """What a process took."""

    seconds: float
    cpu: float
    bytes: int

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s ({self.cpu:6.1f} s of CPU), {self.bytes / 1e6:6.0f} MB"


def make(path: Path, rows: int, traces: bool) -> None:
    """A set of so many rows."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(5000)]
    concepts = [" ".join(draw.sample(words, 2)) for _ in range(17_000)]
    with path.open("wb") as file:
        for number in range(rows):
            file.write(dumps(row(random.Random(number), number, words, concepts, traces)))


def row(
    draw: random.Random, number: int, words: Sequence[str], concepts: Sequence[str], traces: bool
) -> dict[str, object]:
    problem = f"{' '.join(draw.choices(words, k=46))} {draw.randint(1, 999)} $x^2+{draw.randint(1, 99)}$."
    rates = {"agreement": 0.75, "margin": 0.5, "pass_rate": 0.75, "mean_tokens": 1000.0, "n": 4, "answered": 4}
    told = {"level": "AIME", "model": "teacher", "validity": "valid", "judgement": "perfect", **rates, "refused": 0}
    trace = " ".join(draw.choices(words, k=150)) if traces else None
    named = {"foundational_concepts": draw.sample(concepts, 5), "problem": problem, "trace": trace}
    return {"id": f"{number:016x}", "answer": str(draw.randrange(10**6)), **told, **named}


def taken(program: str, *arguments: object) -> Taken:
    begun = perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the program ended with {process.returncode}")
    return Taken(perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def compared(folder: Path, to: str, rows: int) -> bool:
    """Whether one form meets the targets; its lines are printed."""
    tenth, whole = folder / "tenth.jsonl", folder / "rows.jsonl"
    make(tenth, rows // 10, FORMS[to])
    make(whole, rows, FORMS[to])
    good = True
    for share in (0.0, HELD_OUT):
        few, all_ = (taken(OURS, path, to, share, folder / "out") for path in (tenth, whole))
        more = (all_.bytes - few.bytes) / (rows - rows // 10)
        good = good and all_.seconds <= SECONDS * rows / 1e6 and more <= BYTES_A_ROW
        name = f"{to}, {'split' if share else 'not split'}"
        print(f"{name:16}  {rows // 10:>9,} rows {few}")
        print(f"{'':16}  {rows:>9,} rows {all_}; {more:.0f} bytes a row more")
        if not share:
            theirs = taken(THEIRS, whole, to, share, folder / "theirs.parquet")
            ratio = f"{theirs.seconds / all_.seconds:.1f} times, {theirs.cpu / all_.cpu:.1f} times the CPU"
            print(f"{'':16}  {'datasets':>14} {theirs}; {ratio}")
    return good


def main() -> int:
    parser = Options(__doc__, rows=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    good = True
    for to in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            good = compared(Path(folder), to, chosen.rows) and good
    return verdict(chosen, good)


if __name__ == "__main__":
    sys.exit(main())
