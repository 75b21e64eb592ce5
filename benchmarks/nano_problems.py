"""The shipped generator and judges on combinations of concepts that are in no training text.

    python benchmarks/nano_problems.py [--combinations 1000] [--output-dir DIR] [--smallest]

Samples with a seed of its own, keeps the held-out combinations, runs the recipe `nano` on them, and asks the checker
what is true. Training texts are written again from their seeds to see which problems stood in them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _options import Options, verdict

from promptcot.cli.report.console import percent
from promptcot.cli.report.truth import truth_lines
from promptcot.engines.opening import Engines
from promptcot.nano import mask_numbers
from promptcot.nano.truth import Truth
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import load
from promptcot.records import Row
from promptcot.storage.rows import hash_id, read_rows

sys.path.insert(0, str(Path(__file__).parents[1]))
from nano.holdout import held_out_combination
from nano.texts import example

SEED = 271828
TRAINED_WITH = 1
"""The seed of the shipped generator's texts."""
TEXTS = 60_000
"""At least how many of them it has seen (6.7 M tokens at 130 a text)."""


def main() -> int:
    parser = Options(__doc__, combinations=8, texts=20)
    parser.add_argument("--combinations", type=int, default=1000)
    parser.add_argument("--texts", type=int, default=TEXTS, help="how many training texts are written again")
    parser.add_argument("--output-dir", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(make(chosen.output_dir or Path(folder), chosen.combinations))
        return verdict(chosen, report(run, chosen.texts))


async def make(directory: Path, combinations: int) -> Run:
    """Run the recipe `nano` on held-out combinations."""
    recipe = load("nano", overrides={"seed": SEED, "run.max_candidates": combinations})
    inputs = Inputs(recipe, directory)
    async with Engines(directory) as engines:
        opened = await inputs.open_models(engines.open)
        rows = held_out(inputs.sampled(await inputs.vectors(engines, Silent())))
        run = Run(inputs.steps, recipe.run, directory, opened, rows)
        await run.run(inputs.manifest(opened))
    return run


def held_out(rows: Iterator[Row]) -> Iterator[Row]:
    return (row for row in rows if held_out_combination(row["foundational_concepts"]))


def report(run: Run, texts: int) -> bool:
    """Print what the checker found; whether all targets are met."""
    counts = run.counts["generate"]
    generated, accepted = truth(run, "generate"), truth(run, "filter")
    lines = [
        ("outputs that parse", counts.rows_out, counts.rows_in, 0.95),
        ("well-posed before any filter", generated.well_posed, generated.problems, 0.70),
        ("well-posed among the accepted", accepted.well_posed, accepted.problems, 0.90),
        ("well-posed ones that were kept", accepted.well_posed, generated.well_posed, 0.50),
        ("sampled concepts used, accepted", accepted.concepts_used, accepted.concepts, 0.80),
        ("distinct texts, accepted", len(accepted.texts), accepted.problems, 0.90),
    ]
    print(f"combinations: {run.counts['sample'].rows_out:,}, seed {SEED}")
    good = True
    for name, part, whole, target in lines:
        met = whole > 0 and part / whole >= target
        good &= met
        print(f"{name:<34} {percent(part, whole):>5} of {whole:>5,}  target {target:.0%}  {'PASS' if met else 'MISS'}")
    print("\n".join(seen_in_training(run, texts)))
    for line in truth_lines({"generated": generated, "accepted": accepted}):
        print(line)
    return good


def truth(run: Run, stage: str) -> Truth:
    found = Truth()
    for row in read_rows(run.outputs[stage].path, may_be_empty=True):
        found.add(row)
    return found


def seen_in_training(run: Run, texts: int) -> Iterator[str]:
    """How many accepted problems equal a training text, in full and with numbers masked."""
    problems = [row["problem"] for row in read_rows(run.outputs["filter"].path, may_be_empty=True)]
    full, masked = set(), set()
    for index in range(texts):
        text = example("generator", TRAINED_WITH, index).completion.split("<!-- BEGIN PROBLEM -->")[1]
        problem = text.split("<!-- END PROBLEM -->")[0].strip()
        full.add(hash_id(problem))
        masked.add(hash_id(mask_numbers(problem)))
    same = sum(hash_id(problem) in full for problem in problems)
    alike = sum(hash_id(mask_numbers(problem)) in masked for problem in problems)
    yield f"equal to one of {texts:,} training texts: {percent(same, len(problems))} of {len(problems):,}"
    yield f"the same with numbers masked: {percent(alike, len(problems))}"


if __name__ == "__main__":
    sys.exit(main())
