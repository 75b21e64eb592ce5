"""The report of a run with many accepted problems: seconds, bytes and peak memory, for one and for ten times the rows.

The run directory is made here: texts with formulas, two judges, four traces a problem, copies and a benchmark's
problems.

    python benchmarks/report.py [--problems 10000] [--trace 4000] [--smallest]

Targets: 20 seconds, 5 MB, and a peak memory that grows by less than a fifth with ten times the rows.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _options import Options, verdict

SECONDS, BYTES, GROWTH = 20.0, 5e6, 1.2

_LEVELS = ("AMC12", "AIME", "HMMT-Feb")
_RATED = dict.fromkeys(("format", "factual_accuracy", "difficulty_alignment", "solvability"), "perfect")
_TRACE = "We have $x_{k+1} = \\frac{x_k^2 + 1}{2}$, so \\[\\sum_{i=1}^{n} i^2 = \\frac{n(n+1)(2n+1)}{6}.\\] "


_REPORT = """
import resource, sys, time
from pathlib import Path
from promptcot.report.writing import write_report
start = time.monotonic()
page = write_report(Path(sys.argv[1]))
print(time.monotonic() - start, page.stat().st_size, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> int:
    parser = Options(__doc__, problems=100, trace=400)
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--trace", type=int, default=4_000)
    chosen = parser.parse_args()
    found = [measured(accepted, chosen.trace) for accepted in (chosen.problems // 10, chosen.problems)]
    seconds, size, memory = found[-1]
    return verdict(chosen, seconds <= SECONDS and size <= BYTES and memory <= GROWTH * found[0][2])


def measured(accepted: int, trace: int) -> tuple[float, float, float]:
    """Seconds, bytes of the page, and bytes of memory at most."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        there = make(run, accepted, trace)
        told = subprocess.run([sys.executable, "-c", _REPORT, str(run)], check=True, capture_output=True, text=True)
    seconds, size, memory = map(float, told.stdout.split())
    print(
        f"{accepted:,} accepted problems, {there / 1e6:,.1f} MB in the run directory: {seconds:.1f} s, "
        f"a page of {size / 1e6:.2f} MB, peak memory {memory / 1e6:,.0f} MB"
    )
    return seconds, size, memory


def make(run: Path, accepted: int, trace: int) -> int:
    """Write the files of a run; how many bytes they take."""
    run.mkdir(parents=True)
    draws = random.Random(1)
    files = {name: (run / f"{name}.jsonl").open("w", encoding="utf-8") for name in _FILES}
    counts: dict[str, int] = dict.fromkeys(_FILES, 0)
    for number in range(3 * accepted):
        for name, row in _rows(number, draws, trace):
            files[name].write(json.dumps(row) + "\n")
            counts[name] += 1
    for file in files.values():
        file.close()
    steps = [name for name in _FILES if "." not in name and name != "set"]
    stages = {name: _stage(counts[name] // (4 if name == "solve" else 1)) for name in steps}
    (run / "summary.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    (run / "recipe.json").write_text(json.dumps({"recipe": {"name": "benchmark"}}), encoding="utf-8")
    return sum(path.stat().st_size for path in run.iterdir())


_FILES = ("sample", "generate", "judge-a", "judge-b", "filter", "filter.dropped", "dedup", "dedup.dropped")
_FILES += ("solve", "label", "label.dropped", "set")


def _stage(out: int) -> dict[str, Any]:
    return {"in": out, "out": out, "rows": out, "dropped": {}, "failed": {}, "seconds": 1.0, "cost": None, "models": {}}


def _rows(number: int, draws: random.Random, trace: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each step writes of one combination; a third of them is accepted."""
    concepts = [f"concept {int(draws.paretovariate(0.6)) % 2_500}" for _ in range(4)]
    spec = {"id": f"{number:016x}", "foundational_concepts": concepts, "level": draws.choice(_LEVELS)}
    text = (
        f"Let $f(x) = x^{{{number}}} + \\binom{{n}}{{2}}$. Find all integers $n \\le {number}$ with $f(n) \\equiv 1$. "
        * 4
    )
    row = {**spec, "problem": text, "rationale": text * 4, "completion": text * 5}
    yield "sample", spec
    yield "generate", row
    verdicts = {"a": draws.choice(("perfect", "perfect", "bad")), "b": draws.choice(("perfect", "perfect", "bad"))}
    for name, word in verdicts.items():
        yield (
            f"judge-{name}",
            {**row, "judge": name, "ratings": {**_RATED, "solvability": word}, "judgement": word},
        )
    row["judgements"] = verdicts
    if "bad" in verdicts.values():
        yield "filter.dropped", {**row, "reason": "bad"}
        return
    yield "filter", row
    if number % 50 == 0:
        yield "dedup.dropped", {**row, "reason": "near copy", "copy_of": f"{0:016x}", "rule": "edit", "similarity": 0.9}
        return
    yield "dedup", row
    reasoning = _TRACE * (trace // len(_TRACE))
    for sample in range(4):
        yield "solve", {**row, "completion": f"{reasoning}\\boxed{{{number}}}", "sample": sample}
    right = draws.choice((1, 2, 3, 4, 4))
    answered = {"answer": str(number), "agreement": right / 4, "pass_rate": right / 4, "n": 4}
    if draws.random() < 0.25:
        yield "label.dropped", {**row, "reason": "unlabelled: tie"}
        return
    yield "label", {**row, **answered, "trace": reasoning}
    yield "set", {**spec, **answered, "problem": text, "rationale": text * 4, "trace": reasoning}


if __name__ == "__main__":
    sys.exit(main())
