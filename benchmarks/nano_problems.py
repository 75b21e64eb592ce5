"""What the shipped generator and judges do on combinations of concepts that no training text had.

    python benchmarks/nano_problems.py [--combinations 1000] [--output-dir DIR]

Samples with a seed of its own, keeps the held-out combinations, runs the recipe `nano` on them, and asks the checker
what is true. Training texts are written again from their seeds to see which problems stood in them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from promptcot.cli.report.console import percent
from promptcot.engines.opening import Engines
from promptcot.nano import mask_numbers
from promptcot.nano.truth import Truth
from promptcot.pipeline.inputs import Preparation
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import load
from promptcot.records import Row
from promptcot.storage.rows import hash_id, read_rows

sys.path.insert(0, str(Path(__file__).parents[1]))
from nano.holdout import held_out_combination
from nano.texts import example

SEED = 271828
TRAINED_WITH = ((1, 60_000),)
"""Seeds of the shipped generator's texts, and at least how many of each it has seen (6.7 M tokens at 130 a text)."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--combinations", type=int, default=1000)
    parser.add_argument("--output-dir", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(make(chosen.output_dir or Path(folder), chosen.combinations))
        return report(run)


async def make(directory: Path, combinations: int) -> Run:
    """Run the recipe `nano` on held-out combinations."""
    recipe = load("nano", overrides={"seed": SEED, "run.max_candidates": combinations})
    preparation = Preparation(recipe, directory)
    engines = Engines()
    try:
        opened = preparation.open_models(engines.open)
        rows = held_out(await preparation.combinations(engines.open))
        run = Run(recipe, directory, preparation.prompts, opened, rows)
        await run.run(preparation.manifest(opened))
    finally:
        await engines.close()
    return run


def held_out(rows: Iterator[Row]) -> Iterator[Row]:
    return (row for row in rows if held_out_combination(row["foundational_concepts"]))


def report(run: Run) -> int:
    counts = run.stage_counts["generate"]
    generated, accepted = truth(run, "generate"), truth(run, "filter")
    lines = [
        ("outputs that parse", counts.rows_out, counts.rows_in, 0.95),
        ("well-posed before any filter", generated.well_posed, generated.problems, 0.70),
        ("well-posed among the accepted", accepted.well_posed, accepted.problems, 0.90),
        ("well-posed ones that were kept", accepted.well_posed, generated.well_posed, 0.50),
        ("sampled concepts used, accepted", accepted.concepts_used, accepted.concepts, 0.80),
        ("distinct texts, accepted", len(accepted.texts), accepted.problems, 0.90),
    ]
    print(f"combinations: {run.stage_counts['sample'].rows_out:,}, seed {SEED}")
    good = True
    for name, part, whole, target in lines:
        met = whole > 0 and part / whole >= target
        good &= met
        print(f"{name:<34} {percent(part, whole):>5} of {whole:>5,}  target {target:.0%}  {'PASS' if met else 'MISS'}")
    print("\n".join(seen_in_training(run)))
    for line in [*generated.lines("generated"), *accepted.lines("accepted")]:
        print(line)
    return 0 if good else 1


def truth(run: Run, stage: str) -> Truth:
    found = Truth()
    for row in read_rows(run.outputs[stage].path, may_be_empty=True):
        found.add(row)
    return found


def seen_in_training(run: Run) -> Iterator[str]:
    """How many accepted problems equal a training text, in full and with numbers masked."""
    problems = [row["problem"] for row in read_rows(run.outputs["filter"].path, may_be_empty=True)]
    full, masked = set(), set()
    for seed, count in TRAINED_WITH:
        for index in range(count):
            text = example("generator", seed, index).completion.split("<!-- BEGIN PROBLEM -->")[1]
            problem = text.split("<!-- END PROBLEM -->")[0].strip()
            full.add(hash_id(problem))
            masked.add(hash_id(mask_numbers(problem)))
    same = sum(hash_id(problem) in full for problem in problems)
    alike = sum(hash_id(mask_numbers(problem)) in masked for problem in problems)
    texts = sum(count for _, count in TRAINED_WITH)
    yield f"equal to one of {texts:,} training texts: {percent(same, len(problems))} of {len(problems):,}"
    yield f"the same with numbers masked: {percent(alike, len(problems))}"


if __name__ == "__main__":
    sys.exit(main())
