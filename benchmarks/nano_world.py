"""The nano world against its targets: generator, judges, verifier, labels, annotator, solver and base, with intervals.

    python benchmarks/nano_world.py [--seeds 16] [--combinations 64] [--planted 100] [--clean 1000]
                                    [--early DIR] [--models DIR] [--json FILE] [--output-dir DIR] [--smallest]

Runs the recipe `nano` as users do, on few combinations of concepts for each of several seeds, all of them in no
training text, and asks the checker what is true; `--early` is the folder of a generator that stopped earlier, for which
the same is shown. The judges also rate texts with one planted defect each. Intervals are 95 % intervals. The time of a
run is measured by `commands`, and what is compared over trainings is in docs/claims.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

from _nano import (
    AT_ONCE,
    SEED,
    Draws,
    Models,
    explained,
    extracted,
    finished,
    judged,
    make,
    make_without_verify,
    planted,
    solved,
)
from _options import Options, verdict
from local_engine import complete, prompts_of

import promptcot
from nano.planting import KINDS
from nano.texts import example
from promptcot import nano
from promptcot.core.criteria import RATINGS
from promptcot.core.filtering import verdict_of
from promptcot.core.statistics.differences import of_shares
from promptcot.core.statistics.estimates import estimate
from promptcot.engines.local.engine import LocalEngine
from promptcot.nano import mask_numbers
from promptcot.nano.checker import LEVELS
from promptcot.nano.findings import finding
from promptcot.nano.runs import ceiling, filtered, judges, truth_of, truths, verifiers
from promptcot.nano.truth import AGREED, Detection, Share, Truth
from promptcot.pipeline.run import Run
from promptcot.records import Row
from promptcot.storage.rows import hash_id, read_rows

SAMPLES = 8
GENERATOR_SEED = 1
"""The seed of the texts that the shipped generator has learnt."""


@dataclass(frozen=True)
class Line:
    """One measured value, a share unless it has a `unit`; what has no target is shown beside those that have one."""

    name: str
    value: float | None
    interval: tuple[float, float] | None = None
    n: int | None = None
    least: float | None = None
    most: float | None = None
    unit: str = ""
    measured: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target, or if it was not measured."""
        if not self.measured or (self.least is None and self.most is None):
            return None
        low, high = (-1e99 if self.least is None else self.least), (1e99 if self.most is None else self.most)
        return self.value is not None and low <= self.value <= high

    def __str__(self) -> str:
        interval = (
            "" if self.interval is None else f"{self._shown(self.interval[0])} to {self._shown(self.interval[1])}"
        )
        n = "" if self.n is None else f"n = {self.n:,}"
        ends = [f"{sign} {self._shown(end)}" for sign, end in (("≥", self.least), ("≤", self.most)) if end is not None]
        judged = {None: "" if self.measured else "not measured", True: "PASS", False: "MISS"}[self.met]
        value = "n/a" if self.value is None else self._shown(self.value) + self.unit
        return f"{self.name:<64} {value:>12}  {interval:<15} {n:<10} {' '.join(ends):<14} {judged}".rstrip()

    def _shown(self, value: float) -> str:
        return f"{value:,.0f}" if self.unit.strip() in ("s", "tokens/s") else f"{100 * value:.1f}"


def share(name: str, of: Share, **target: float) -> Line:
    """The line of a share."""
    found = of.as_json()
    return Line(name, found["share"], found["interval"], of.whole, **target)


def gain(name: str, before: Share, after: Share, least: float) -> Line:
    """The line of the gain of a step that only drops cases.

    What is kept, and what is dropped, are disjoint, so that their difference has Newcombe's interval. The gain is that
    difference times the share that is dropped, which counts as known.
    """
    dropped = Share(before.part - after.part, before.whole - after.whole)
    found, weight = of_shares(dropped.part, dropped.whole, after.part, after.whole), dropped.whole / (before.whole or 1)
    if found.difference is None or found.interval is None:
        return Line(name, None, n=after.whole, least=least)
    low, high = found.interval
    return Line(name, weight * found.difference, (weight * low, weight * high), before.whole, least)


@dataclass(frozen=True)
class Goals:
    """The targets for the problems of a generator that are not the same for all."""

    gain: float
    posed: Mapping[str, float]
    whole: Mapping[str, float]


FINAL = Goals(0.15, {"least": 0.60, "most": 0.75}, {"least": 0.75})
EARLY = Goals(0.20, {}, {})


def of_runs(name: str, runs: Mapping[Path, Run], goals: Goals) -> Iterator[Line]:
    """What runs make of the problems of one generator."""
    counts = [run.counts["generate"] for run in runs.values()]
    parsed = Share(sum(one.rows_out for one in counts), sum(one.rows_in for one in counts))
    yield from of_problems(name, parsed, [*runs], goals)


def of_problems(name: str, parsed: Share, runs: Sequence[Path], goals: Goals) -> Iterator[Line]:
    """What is true of the problems of some runs, taken together."""
    found = summed(map(truths, runs))
    raw, accepted, verified = (found.get(stage, Truth()) for stage in ("generated", "accepted", "verified"))
    before, after, checked = raw.shares(), accepted.shares(), verified.shares()
    yield share(f"{name}: outputs that parse", parsed, least=0.97)
    yield share(f"{name}: combinations for which there is a problem of the level", sum(map(ceiling, runs), Share()))
    yield share(f"{name}: well-posed, raw", before["well_posed"], **goals.posed)
    yield from (share(f"  {name}: well-posed, raw, {level}", one) for level, one in by_level(runs).items())
    yield share(f"{name}: well-posed, accepted", after["well_posed"])
    yield gain(f"{name}: accepted minus raw", before["well_posed"], after["well_posed"], goals.gain)
    yield share(f"{name}: well-posed, after verify", checked["well_posed"], least=0.95)
    yield share(f"{name}: well-posed ones kept by the judges", Share(accepted.well_posed, raw.well_posed))
    yield share(f"{name}: well-posed ones kept by verify", Share(verified.well_posed, accepted.well_posed))
    yield share(f"{name}: well-posed ones kept by both", Share(verified.well_posed, raw.well_posed), least=0.60)
    yield share(f"{name}: wholly right, raw", before["wholly_right"])
    yield share(f"{name}: wholly right, accepted", after["wholly_right"], **goals.whole)
    yield share(f"{name}: wholly right, after verify", checked["wholly_right"])
    yield share(f"{name}: distinct texts, accepted", Share(len(accepted.texts), accepted.problems))
    yield share(f"{name}: distinct without numbers, accepted", Share(len(accepted.masked), accepted.problems))
    yield from labels(name, found.get("labelled", Truth()), "with verify", least=0.97)


Summed = TypeVar("Summed", Truth, Detection)


def summed(found: Iterable[Mapping[str, Summed]]) -> dict[str, Summed]:
    """What was counted in several runs, by name."""
    total: dict[str, Summed] = {}
    for one in found:
        for name, counted in one.items():
            total[name] = total[name] + counted if name in total else counted
    return total


def by_level(runs: Sequence[Path]) -> dict[str, Share]:
    """The share of well-posed problems among those that were asked for at each level."""
    found = {level: Truth() for level in LEVELS}
    for run in runs:
        for row in read_rows(run / "generate.jsonl", may_be_empty=True):
            found[row["level"]].add(row)
    return {level: one.shares()["well_posed"] for level, one in found.items()}


def labels(name: str, labelled: Truth, how: str, **target: float) -> Iterator[Line]:
    """How many labels are right."""
    yield share(f"{name}: label right, {how}", labelled.shares()["label"])
    yield share(f"{name}: label right at agreement ≥ {AGREED}, {how}", labelled.shares()["label_agreed"], **target)


def natural(runs: Sequence[Path]) -> Iterator[Line]:
    """How judges and verifiers find the generator's own errors."""
    for name, one in summed(map(judges, runs)).items():
        yield from _natural(f"judge {name}", one)
    together = [one for one in map(filtered, runs) if one is not None]
    yield from _natural("all judges together", sum(together, Detection()))
    for name, one in summed(map(verifiers, runs)).items():
        yield from _natural(name if name == "verify" else f"verifier {name}", one)


def _natural(role: str, found: Detection) -> Iterator[Line]:
    if found.unread.whole:
        yield share(f"{role}: replies without a readable verdict", found.unread)
    yield share(f"{role}, natural errors: recall", found.recall)
    yield share(f"{role}, natural errors: precision", found.precision)
    yield share(f"{role}, sound problems: false alarms", found.false_alarms)
    for kind, one in sorted(found.by_defect.items()):
        yield share(f"  {role}, {kind}", one)
        if kind in found.by_rating:
            yield share(f"  {role}, {kind}: by its rating", found.by_rating[kind])


async def on_planted(models: Models, options: argparse.Namespace, folder: Path) -> list[Line]:
    """How the judges find planted defects, each alone and both together, and what they say of clean texts."""
    rows = [*planted(KINDS, options.planted), *planted(["clean"], options.clean)]
    return [*of_planted(rows, await judged(rows, models, folder))]


def of_planted(rows: Sequence[Row], replies: Mapping[str, Mapping[str, Row]]) -> Iterator[Line]:
    """The lines of replies by judge and row; a reply that cannot be read finds nothing, and loses a clean text."""
    verdicts = {name: {row: verdict_of(reply) for row, reply in read.items()} for name, read in replies.items()}
    for name, read in verdicts.items():
        unread = sum(verdict not in RATINGS for verdict in read.values())
        yield share(f"planted texts: replies of judge {name} without a readable verdict", Share(unread, len(read)))
    for kind in KINDS:
        ids = [row["id"] for row in rows if row["kind"] == kind]
        marked = {name: [read[one] in ("acceptable", "bad") for one in ids] for name, read in verdicts.items()}
        either = sum(map(any, zip(*marked.values(), strict=True)))
        yield share(f"planted {kind}: marked by either judge", Share(either, len(ids)), least=0.80)
        for name, found in marked.items():
            yield share(f"  planted {kind}: marked by judge {name}", Share(sum(found), len(ids)))
    clean = [row["id"] for row in rows if row["kind"] == "clean"]
    for name, read in verdicts.items():
        alarms = Share(sum(read[one] != "perfect" for one in clean), len(clean))
        yield share(f"clean text: not called perfect by judge {name}", alarms, most=0.05)


def on_finished(rows: Sequence[Row], models: Models, folder: Path) -> Iterator[Line]:
    """What the annotator writes about finished problems; a reply that cannot be read is wrong."""
    lists = [not finding(row).unused for row in extracted(rows, models, folder)]
    yield share("annotator: lists in which the problem uses every concept", Share(sum(lists), len(rows)))
    designs = [finding(row).kind == "design-first" for row in explained(rows, models, folder)]
    yield share("annotator: rationales that design the problem", Share(sum(designs), len(rows)))


async def on_benchmark(role: str, models: Models, options: argparse.Namespace, folder: Path) -> list[Line]:
    """The accuracy on the held-out problems, mean over samples, in all and by level."""
    rows = list(islice(read_rows(nano.benchmark_path()), 0, None, options.every))
    traces = await solved(role, rows, options.samples, models, folder)
    graded = await asyncio.to_thread(promptcot.grade, traces, benchmark="nano")
    right: dict[str, list[bool]] = {row["id"]: [] for row in rows}
    for grade in graded.rows:
        right[grade["id"]].append(grade["correct"])
    means = {name: sum(grades) / options.samples for name, grades in right.items()}
    target = {"least": 0.75} if role == "solver" else {"most": 0.25}
    lines = [_mean(f"{role} on the benchmark", list(means.values()), **target)]
    by_level = [[means[row["id"]] for row in rows if row["level"] == level] for level in LEVELS]
    lines += [_mean(f"  {role}, {level}", values) for level, values in zip(LEVELS, by_level, strict=True)]
    cut = [one.truncated for one in graded.sources.values()]
    lines.append(share(f"  {role}: traces that are cut off", Share(sum(one.count for one in cut), len(traces))))
    if role == "solver":
        falls = [one.value for one in lines[1:4]]
        steps = [a - b for a, b in pairwise(falls) if a is not None and b is not None]
        lines.append(Line("  solver: least fall from a level to the next", min(steps, default=None), least=0.0))
    return lines


def _mean(name: str, values: Sequence[float], **target: float) -> Line:
    found = estimate(values, bounds=(0, 1))
    return Line(name, found.mean, found.interval, found.n, **target)


def speed(models: Models, requests: int) -> Line:
    """Tokens per second of the engine; `commands` times a whole run as a user starts it."""
    engine = LocalEngine(nano.resolve(models.of("generator"), "generator"))
    texts = prompts_of(requests)
    with asyncio.Runner() as runner:
        runner.run(complete(engine, texts[:4], AT_ONCE, 8))
        begun = time.monotonic()
        tokens = runner.run(complete(engine, texts, AT_ONCE, 200))
        rate = tokens / (time.monotonic() - begun)
        runner.run(engine.close())
    return Line("local engine", rate, n=len(texts), least=4000, unit=" tokens/s")


def seen_in_training(runs: Sequence[Path], count: int) -> Iterator[Line]:
    """How many accepted problems equal one of the first texts that the generator has learnt."""
    problems = [row["problem"] for run in runs for row in read_rows(run / "filter.jsonl", may_be_empty=True)]
    texts = (example("generator", GENERATOR_SEED, index).completion for index in range(count))
    learnt = [text.split("<!-- BEGIN PROBLEM -->")[1].split("<!-- END")[0].strip() for text in texts]
    for name, form in (("equal to a text", str), ("equal but for numbers to a text", mask_numbers)):
        known = {hash_id(form(problem)) for problem in learnt}
        same = Share(sum(hash_id(form(problem)) in known for problem in problems), len(problems))
        yield share(f"accepted, {name} of {count:,} learnt", same)


def early_of(options: argparse.Namespace) -> Path | None:
    """The folder of the early generator: the given one, or that of `nano.train` beside the other models."""
    beside = options.models / "generator-early" if options.models is not None else None
    return options.early or (beside if beside is not None and beside.is_dir() else None)


async def measured(options: argparse.Namespace, folder: Path) -> list[Line]:
    """All lines but that of speed."""
    models, early, draws = Models(options.models), early_of(options), Draws(options.seeds, options.combinations)
    runs = await make(folder / "run", models, draws)
    without = await make_without_verify(folder / "run", models, draws)
    labelled = sum((truth_of(run / "label.jsonl") for run in without), Truth())
    lines = [*of_runs("generator", runs, FINAL), *labels("generator", labelled, "without verify")]
    lines += [*natural([*runs]), *seen_in_training([*runs], options.texts)]
    if early is None:
        lines += not_measured("early generator", EARLY)
    else:
        early_runs = await make(folder / "early", Models(options.models, early), draws)
        lines += of_runs("early generator", early_runs, EARLY)
    lines += await on_planted(models, options, folder)
    lines += await asyncio.to_thread(lambda: [*on_finished(finished(options.clean), models, folder)])
    for role in ("solver", "base"):
        lines += await on_benchmark(role, models, options, folder)
    return lines


def not_measured(name: str, goals: Goals) -> list[Line]:
    """The lines with a target of a generator that is not there."""
    return [replace(line, measured=False) for line in of_problems(name, Share(), [], goals) if line.met is not None]


def main() -> int:
    """Measure and print everything; 1 where a target is missed."""
    parser = Options(__doc__, seeds=2, combinations=4, planted=1, clean=2, samples=1, every=60, texts=20, requests=4)
    parser.add_argument("--seeds", type=int, default=16, help="runs, each with a seed of its own")
    parser.add_argument("--combinations", type=int, default=64, help="held-out combinations of concepts of each run")
    parser.add_argument("--planted", type=int, default=100, help="texts of each kind of defect")
    parser.add_argument("--clean", type=int, default=1000, help="texts without a defect")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="traces of each problem of the benchmark")
    parser.add_argument("--every", type=int, default=1, help="take every n-th problem of the benchmark only")
    parser.add_argument("--texts", type=int, default=25_000, help="how many training texts are written again")
    parser.add_argument("--requests", type=int, default=512, help="of the engine whose speed is measured")
    parser.add_argument(
        "--early", type=Path, help="folder of a generator of an earlier checkpoint; default: MODELS/generator-early"
    )
    parser.add_argument("--models", type=Path, help="folder of the models, by role; default: the embedded ones")
    parser.add_argument("--output-dir", type=Path, help="where the runs stay; default: nowhere")
    parser.add_argument("--json", type=Path, help="file for all lines as one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.output_dir or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        lines = asyncio.run(measured(options, folder))
    lines.append(speed(Models(options.models), options.requests))
    print(f"nano world, {options.seeds} runs from seed {SEED} on; shares in %, with 95 % intervals")
    print(*lines, sep="\n")
    missed = [line.name for line in lines if line.met is False]
    print(f"targets met: {sum(line.met is True for line in lines)}; missed: {', '.join(missed) or 'none'}")
    if unknown := [line.name for line in lines if not line.measured]:
        print(f"not measured: {', '.join(unknown)}")
    if options.json is not None:
        found: Mapping[str, object] = {"seed": SEED, "lines": [{**asdict(line), "met": line.met} for line in lines]}
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    return verdict(options, not missed)


if __name__ == "__main__":
    sys.exit(main())
