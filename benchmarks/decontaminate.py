"""The copies of benchmark problems that are found, false matches, and problems per second.

    python benchmarks/decontaminate.py [--benchmarks FOLDER] [--smallest]

`--benchmarks`: files of benchmark problems, in any layout that the verbs read; without it, the nano benchmark and our
own table. Copies are planted in all of them. Each benchmark is then compared with the others, and every hit is printed,
to be read. Rows with the same `source` are one benchmark, whatever the file. Speed is that of two drivers, one for each
core, on problems of 60 to 120 words pieced together from benchmark problems, so that they have many phrases in common.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from _copies import OTHERS, WITH_TARGETS, Maker
from _options import Options, verdict

from promptcot.core.overlap.contamination import SAME_TEXT, Contamination, Reference
from promptcot.core.problems import problem_of
from promptcot.evaluation.benchmarks import rows_of
from promptcot.evaluation.references import references

TABLE = Path(__file__).parent.parent / "tests" / "cases" / "contamination.json"
FALSE_AT_MOST, A_SECOND = 0.003, 10_000


def main() -> int:
    """Exit code 0 if all targets are met."""
    parser = Options(description=__doc__, problems=200, copies=30)
    parser.add_argument("--benchmarks", type=Path, help="a folder of files of benchmark problems")
    parser.add_argument("--problems", type=int, default=40_000, help="how many are compared for the speed")
    parser.add_argument("--copies", type=int, help="plant copies of so many problems  [default: of all]")
    chosen = parser.parse_args()
    problems = _read(chosen.benchmarks)
    print(f"{len(problems):,} problems: {dict(Counter(problem.benchmark for problem in problems))}")
    met = [_planted(problems, chosen.copies), _others(problems), _speed(problems, chosen.problems)]
    return verdict(chosen, all(met))


def _read(folder: Path | None) -> list[Reference]:
    """The problems of the files, each text of a source once."""
    if folder is None:
        table = json.loads(TABLE.read_text(encoding="utf-8"))["benchmark"]
        own = [Reference("table", row, name, text) for row, (name, text) in enumerate(table.items(), 1)]
        return [*own, *references(["nano"]).problems]
    found: dict[tuple[str, str], Reference] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, row in rows_of(path, [])[1]:
            source, text = str(row.get("source") or path.stem), problem_of(row, f"{path}, row {number}")
            found.setdefault((source, text), Reference(source, number, path.stem, text))
    return list(found.values())


def _index(problems: Sequence[Reference]) -> Contamination:
    return Contamination(problems, phrases=references(["nano"]).phrases)


def _planted(problems: Sequence[Reference], most: int | None) -> bool:
    """Print the share of copies that is found, by kind; whether the targets are met."""
    index, taken = _index(problems), problems[:most]
    print(f"\nfound of copies of {len(taken):,} problems, compared with all")
    met = True
    for kind, (maker, target) in WITH_TARGETS.items():
        share = _share_found(index, taken, kind, maker)
        met &= share >= target
        print(f"  {kind:22} {share:8.2%}   target {target:.0%}{'' if share >= target else '   MISSED'}")
    for kind, maker in OTHERS.items():
        print(f"  {kind:22} {_share_found(index, taken, kind, maker):8.2%}")
    return met


def _share_found(index: Contamination, problems: Sequence[Reference], kind: str, maker: Maker) -> float:
    rng = random.Random(kind)
    copies = [copy for problem in problems if (copy := maker(problem.problem, rng)) is not None]
    return sum(index.hit(copy) is not None for copy in copies) / len(copies) if copies else 1.0


def _others(problems: Sequence[Reference]) -> bool:
    """Compare each benchmark with the others, and print every hit; whether there are few enough in each."""
    print("\neach benchmark against the others")
    met = True
    for name in dict.fromkeys(problem.benchmark for problem in problems):
        own = [problem for problem in problems if problem.benchmark == name]
        index = _index([problem for problem in problems if problem.benchmark != name])
        hits = [(problem, hit) for problem in own if (hit := index.hit(problem.problem))]
        false = sum(hit.rule != SAME_TEXT for _, hit in hits)
        met &= false <= FALSE_AT_MOST * len(own)
        print(f"  {name}: {len(hits)} of {len(own):,} found, {false} of them without being the same text")
        for problem, hit in hits:
            print(f"    {hit.rule}, share {hit.share:.2f}: {hit.overlap}")
            print(f"      {name}, row {problem.row}: {problem.problem!r}")
            print(f"      {hit.reference.benchmark}, row {hit.reference.row}: {hit.reference.problem!r}")
    return met


def _speed(problems: Sequence[Reference], count: int) -> bool:
    texts = _pieced(problems, count)
    with multiprocessing.get_context("spawn").Pool(2, _begin, (problems,)) as pool:
        pool.map(_compare, [texts[:50]] * 4)  # both have their index now
        begun = time.perf_counter()
        found = sum(pool.map(_compare, [texts[start : start + 500] for start in range(0, len(texts), 500)]))
        rate = len(texts) / (time.perf_counter() - begun)
    print(f"\nspeed: {rate:,.0f} problems a second on two cores (target {A_SECOND:,}); {found} of {len(texts):,} found")
    return rate >= A_SECOND


def _pieced(problems: Sequence[Reference], count: int) -> list[str]:
    """Texts of 60 to 120 words, in pieces of three from as many problems, which have no formula to be recognised by."""
    rng = random.Random(1)
    words = [text.split() for text in (problem.problem for problem in problems) if "$" not in text]

    def piece() -> list[str]:
        of = rng.choice(words)
        start = rng.randrange(max(1, len(of) - 2))
        return of[start : start + 3]

    return [" ".join(word for _ in range(rng.randint(20, 40)) for word in piece()) for _ in range(count)]


_INDEX: list[Contamination] = []


def _begin(problems: Sequence[Reference]) -> None:
    _INDEX.append(_index(problems))


def _compare(texts: Sequence[str]) -> int:
    return sum(_INDEX[0].hit(text) is not None for text in texts)


if __name__ == "__main__":
    sys.exit(main())
