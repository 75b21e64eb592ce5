"""The nano world against its targets: generator, judges, verifier, labels, solver and base, each with its interval.

    python benchmarks/nano_world.py [--combinations 1000] [--planted 100] [--early DIR] [--models DIR] [--json FILE]
                                    [--output-dir DIR] [--smallest]

Runs the recipe `nano` on combinations of concepts that are in no training text, with a seed of its own, and asks the
checker what is true; `--early` is the folder of a generator that stopped earlier, for which the same is shown. The
judges also rate texts with one planted defect each. Intervals are 95 % intervals; those of a difference treat the
accepted problems and all problems as separate samples. What is compared over trainings is in docs/claims.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path

from _nano import AT_ONCE, SEED, Models, judged, make, make_without_verify, planted, solved
from _options import Options, verdict
from local_engine import complete, prompts_of

from nano.asking import graded
from nano.planting import KINDS
from nano.texts import example
from promptcot import nano
from promptcot.cli import main as promptcot
from promptcot.core.statistics.differences import of_shares
from promptcot.core.statistics.estimates import estimate
from promptcot.engines.local.engine import LocalEngine
from promptcot.nano import mask_numbers
from promptcot.nano.runs import ceiling, judges, truth_of, truths, verifiers
from promptcot.nano.truth import Share, Truth
from promptcot.storage.rows import hash_id, read_rows

LEVELS = ("AMC12", "AIME", "HMMT-Feb")
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

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.least is None and self.most is None:
            return None
        low, high = (-1e99 if self.least is None else self.least), (1e99 if self.most is None else self.most)
        return self.value is not None and low <= self.value <= high

    def __str__(self) -> str:
        interval = (
            "" if self.interval is None else f"{self._shown(self.interval[0])} to {self._shown(self.interval[1])}"
        )
        n = "" if self.n is None else f"n = {self.n:,}"
        ends = [f"{sign} {self._shown(end)}" for sign, end in (("≥", self.least), ("≤", self.most)) if end is not None]
        judged = {None: "", True: "PASS", False: "MISS"}[self.met]
        value = "n/a" if self.value is None else self._shown(self.value) + self.unit
        return f"{self.name:<56} {value:>12}  {interval:<15} {n:<10} {' '.join(ends):<14} {judged}".rstrip()

    def _shown(self, value: float) -> str:
        return f"{value:,.0f}" if self.unit.strip() in ("s", "tokens/s") else f"{100 * value:.1f}"


def share(name: str, of: Share, **target: float) -> Line:
    """The line of a share."""
    found = of.as_json()
    return Line(name, found["share"], found["interval"], of.whole, **target)


def gain(name: str, before: Share, after: Share, least: float) -> Line:
    """The line of a difference of two shares."""
    found = of_shares(before.part, before.whole, after.part, after.whole)
    return Line(name, found.difference, found.interval, after.whole, least)


async def of_run(name: str, models: Models, count: int, folder: Path, least_gain: float) -> list[Line]:
    """What a run makes of the problems of one generator."""
    run = await make(folder, models, count)
    found = truths(folder)
    raw, accepted, verified = (found.get(stage, Truth()) for stage in ("generated", "accepted", "verified"))
    counts, posed = run.counts["generate"], {"least": 0.60, "most": 0.75} if models.early is None else {}
    kept = {"by the judges": (raw, accepted), "by verify": (accepted, verified), "by both": (raw, verified)}
    whole = {"least": 0.75} if models.early is None else {}
    return [
        share(f"{name}: outputs that parse", Share(counts.rows_out, counts.rows_in), least=0.97),
        share(f"{name}: level and concepts can be had", ceiling(folder)),
        share(f"{name}: well-posed, raw", raw.shares()["well_posed"], **posed),
        share(f"{name}: well-posed, accepted", accepted.shares()["well_posed"]),
        gain(f"{name}: accepted minus raw", raw.shares()["well_posed"], accepted.shares()["well_posed"], least_gain),
        share(f"{name}: well-posed, after verify", verified.shares()["well_posed"], least=0.95),
        *(
            share(f"{name}: well-posed ones kept {by}", Share(after.well_posed, before.well_posed), **_least_kept(by))
            for by, (before, after) in kept.items()
        ),
        share(f"{name}: wholly right, raw", raw.shares()["wholly_right"]),
        share(f"{name}: wholly right, accepted", accepted.shares()["wholly_right"], **whole),
        share(f"{name}: wholly right, after verify", verified.shares()["wholly_right"]),
        *_distinct(name, accepted),
        *labels(name, found.get("labelled", Truth()), "with verify", least=0.97),
    ]


def _least_kept(by: str) -> dict[str, float]:
    return {"least": 0.60} if by == "by both" else {}


def _distinct(name: str, accepted: Truth) -> Iterator[Line]:
    yield share(f"{name}: distinct texts, accepted", Share(len(accepted.texts), accepted.problems))
    yield share(f"{name}: distinct without numbers, accepted", Share(len(accepted.masked), accepted.problems))


def labels(name: str, labelled: Truth, how: str, **target: float) -> Iterator[Line]:
    """How many labels are right."""
    yield share(f"{name}: label right, {how}", labelled.shares()["label"])
    yield share(f"{name}: label right at agreement ≥ 0.6, {how}", labelled.shares()["label_agreed"], **target)


def natural(folder: Path) -> Iterator[Line]:
    """How judges and verifiers find the generator's own errors."""
    for name, found in {**judges(folder), **verifiers(folder)}.items():
        role = name if name == "verify" else f"judge {name}"
        yield share(f"{role}, natural errors: recall", found.recall)
        yield share(f"{role}, natural errors: precision", found.precision)
        yield share(f"{role}, sound problems: false alarms", found.false_alarms)
        yield from (share(f"  {role}, {kind}", one) for kind, one in sorted(found.by_defect.items()))


async def on_planted(models: Models, count: int, folder: Path) -> list[Line]:
    """How the judges find planted defects, each alone and both together, and what they say of clean texts."""
    rows = planted([*KINDS, "clean"], count)
    replies = await judged(rows, models, folder)
    marked = {
        name: {row for row, reply in read.items() if reply["judgement"] != "perfect"} for name, read in replies.items()
    }
    lines = []
    for kind in KINDS:
        ids = [row["id"] for row in rows if row["kind"] == kind]
        either = Share(sum(any(one in found for found in marked.values()) for one in ids), len(ids))
        lines.append(share(f"planted {kind}: marked by either judge", either, least=0.80))
        for name, found in marked.items():
            lines.append(
                share(f"  planted {kind}: marked by judge {name}", Share(sum(one in found for one in ids), len(ids)))
            )
    clean = [row["id"] for row in rows if row["kind"] == "clean"]
    for name, found in marked.items():
        alarms = Share(sum(one in found for one in clean), len(clean))
        lines.append(share(f"clean text: not called perfect by judge {name}", alarms, most=0.05))
    return lines


async def on_benchmark(role: str, models: Models, options: argparse.Namespace, folder: Path) -> list[Line]:
    """The accuracy on the held-out problems, mean over samples, in all and by level."""
    rows = list(islice(read_rows(nano.benchmark_path()), 0, None, options.every))
    right = graded(await solved(role, rows, options.samples, models, folder), benchmark="nano")
    means = {row["id"]: sum(right.get(row["id"], [])) / options.samples for row in rows}
    target = {"least": 0.75} if role == "solver" else {"most": 0.25}
    lines = [_mean(f"{role} on the benchmark", list(means.values()), **target)]
    by_level = [[means[row["id"]] for row in rows if row["level"] == level] for level in LEVELS]
    lines += [_mean(f"  {role}, {level}", values) for level, values in zip(LEVELS, by_level, strict=True)]
    if role == "solver":
        falls = [one.value for one in lines[1:]]
        steps = [a - b for a, b in pairwise(falls) if a is not None and b is not None]
        lines.append(Line("  solver: least fall from a level to the next", min(steps, default=None), least=0.0))
    return lines


def _mean(name: str, values: Sequence[float], **target: float) -> Line:
    found = estimate(values, bounds=(0, 1))
    return Line(name, found.mean, found.interval, found.n, **target)


def speed(models: Models, options: argparse.Namespace, folder: Path) -> Iterator[Line]:
    """A whole run as a user starts it, and tokens per second of the engine."""
    begun = time.monotonic()
    count = str(options.run_combinations)
    changes = [part for key, value in models.overrides().items() for part in ("--set", f"{key}='{value}'")]
    promptcot(["run", "--max-candidates", count, "--output-dir", str(folder), *(changes if models.folder else [])])
    yield Line(f"promptcot run, {count} combinations", time.monotonic() - begun, most=90, unit=" s")
    engine = LocalEngine(nano.resolve(models.of("generator"), "generator"))
    texts = prompts_of(options.requests)
    with asyncio.Runner() as runner:
        runner.run(complete(engine, texts[:4], AT_ONCE, 8))
        begun = time.monotonic()
        tokens = runner.run(complete(engine, texts, AT_ONCE, 200))
        yield Line("local engine", tokens / (time.monotonic() - begun), n=len(texts), least=4000, unit=" tokens/s")
        runner.run(engine.close())


def seen_in_training(run: Path, count: int) -> Iterator[Line]:
    """How many accepted problems equal one of the first texts that the generator has learnt."""
    problems = [row["problem"] for row in read_rows(run / "filter.jsonl", may_be_empty=True)]
    texts = (example("generator", GENERATOR_SEED, index).completion for index in range(count))
    learnt = [text.split("<!-- BEGIN PROBLEM -->")[1].split("<!-- END")[0].strip() for text in texts]
    for name, form in (("equal to a text", str), ("equal but for numbers to a text", mask_numbers)):
        known = {hash_id(form(problem)) for problem in learnt}
        same = Share(sum(hash_id(form(problem)) in known for problem in problems), len(problems))
        yield share(f"accepted, {name} of {count:,} learnt", same)


async def measured(options: argparse.Namespace, folder: Path) -> list[Line]:
    """All lines but those of speed."""
    models = Models(options.models)
    lines = await of_run("generator", models, options.combinations, folder / "run", 0.15)
    await make_without_verify(folder / "run", models, options.combinations)
    lines += labels("generator", truth_of(folder / "run-without-verify" / "label.jsonl"), "without verify")
    lines += [*natural(folder / "run"), *seen_in_training(folder / "run", options.texts)]
    if options.early is not None:
        early = Models(options.models, options.early)
        lines += await of_run("early generator", early, options.combinations, folder / "early", 0.20)
    lines += await on_planted(models, options.planted, folder)
    for role in ("solver", "base"):
        lines += await on_benchmark(role, models, options, folder)
    return lines


def main() -> int:
    parser = Options(__doc__, combinations=8, planted=1, samples=1, every=60, texts=20, run_combinations=2, requests=4)
    parser.add_argument("--combinations", type=int, default=1000)
    parser.add_argument("--planted", type=int, default=100, help="texts of each kind of defect, and without any")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="traces of each problem of the benchmark")
    parser.add_argument("--every", type=int, default=1, help="take each so-manyth problem of the benchmark only")
    parser.add_argument("--texts", type=int, default=25_000, help="how many training texts are written again")
    parser.add_argument("--run-combinations", type=int, default=64, help="of the run that is timed")
    parser.add_argument("--requests", type=int, default=512, help="of the engine whose speed is measured")
    parser.add_argument("--early", type=Path, help="folder of a generator of an earlier checkpoint")
    parser.add_argument("--models", type=Path, help="folder of the models, by role; default: the embedded ones")
    parser.add_argument("--output-dir", type=Path, help="where the runs stay; default: nowhere")
    parser.add_argument("--json", type=Path, help="file for all lines as one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.output_dir or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        lines = asyncio.run(measured(options, folder))
        lines += speed(Models(options.models), options, folder / "timed")
    print(f"nano world, seed {SEED}; shares in %, with 95 % intervals")
    print(*lines, sep="\n")
    missed = [line.name for line in lines if line.met is False]
    print(f"targets met: {sum(line.met is True for line in lines)}; missed: {', '.join(missed) or 'none'}")
    if options.json is not None:
        found: Mapping[str, object] = {"seed": SEED, "lines": [{**asdict(line), "met": line.met} for line in lines]}
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    return verdict(options, not missed)


if __name__ == "__main__":
    sys.exit(main())
