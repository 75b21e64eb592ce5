"""What the benchmarks of the nano world share: runs on combinations that no training has seen, judges, solvers.

`nano_world` decides what is measured and what the targets are. Models are those of the package, or folders elsewhere.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the writer is not part of the installed package

import promptcot
from nano.holdout import held_out_combination
from nano.material import read_material
from nano.planting import draft
from nano.problems import DesignError
from nano.texts import asked
from promptcot import domains
from promptcot.api.working import Working
from promptcot.engines.opening import Engines
from promptcot.evaluation.recipe import load_eval
from promptcot.pipeline.execute import run_stage
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import load
from promptcot.recipe.recipe import Recipe
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.runners.local import LocalRunner
from promptcot.stages.judge import Judge
from promptcot.stages.protocol import Stage
from promptcot.stages.solve import Solve, samples
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows

SEED = 271828
"""The first seed of the sampled combinations, and that of judges and solvers; no training uses it or the next ones."""
AT_ONCE = 256
WORKING: Working = {"seed": SEED, "concurrency": AT_ONCE, "keep_going": True}
"""Unusable replies do not stop a measurement."""


@dataclass(frozen=True)
class Models:
    """The model of each role: the embedded one, or the folder of that name in `folder`; `early` writes problems."""

    folder: Path | None = None
    early: Path | None = None

    def of(self, role: str) -> str:
        """The name or the path of the model of a role."""
        if role == "generator" and self.early is not None:
            return str(self.early)
        return f"nano:{role}" if self.folder is None else str(self.folder / role)

    def overrides(self) -> dict[str, Any]:
        """The models in the recipe `nano`. The concepts' vectors never come from the early generator, so that it gets
        the same combinations of concepts as the final one.
        """
        steps = {"generate": "generator", "verify": "verifier", "solve": "solver"}
        steps |= {f"judge.{name}": f"judge-{name}" for name in ("a", "b")}
        encoder = replace(self, early=None).of("generator")
        return {"encode.model": encoder, **{f"{step}.model": self.of(role) for step, role in steps.items()}}


@dataclass(frozen=True)
class Draws:
    """How many combinations of concepts are drawn with each of how many seeds, the first of which is `SEED`.

    A user's run has one seed and few combinations. Many draws of one seed are another population: each combination
    is drawn once, the likely ones first, so that later ones are of more concepts and of higher levels.
    """

    seeds: int
    combinations: int


def recipe_of(models: Models, seed: int, combinations: int, *, verify: bool) -> Recipe:
    """The recipe `nano` with these models, with its verifier or without."""
    recipe = load("nano", overrides={"seed": seed, "run.max_candidates": combinations, **models.overrides()})
    return recipe.model_copy(update={"verify": recipe.verify if verify else None})


async def make(folder: Path, models: Models, draws: Draws, *, verify: bool = True) -> dict[Path, Run]:
    """Run the recipe `nano` on combinations of concepts that training has not seen, once for each seed.

    The runs have a directory each, and work at the same time with the same engines, so that batches are large.
    """
    async with Engines(folder) as engines:
        made = {}
        for seed in range(SEED, SEED + draws.seeds):
            directory = folder / f"seed-{seed}"
            inputs = Inputs(recipe_of(models, seed, draws.combinations, verify=verify), directory)
            made[directory] = await _prepared(inputs, engines)
        await asyncio.gather(*(run.run(manifest) for run, manifest in made.values()))
    return {directory: run for directory, (run, _) in made.items()}


async def _prepared(inputs: Inputs, engines: Engines) -> tuple[Run, dict[str, Any]]:
    """A run on the held-out combinations, and its manifest."""
    opened = await inputs.open_models(engines.open)
    rows = held_out(inputs.sampled(await inputs.vectors(engines, Silent())))
    return Run(inputs.steps, inputs.recipe.run, inputs.directory, opened, rows), inputs.manifest(opened)


async def make_without_verify(folder: Path, models: Models, draws: Draws) -> dict[Path, Run]:
    """The same runs without their verifier, into another folder; calls that both make are not made again."""
    other = folder.with_name(f"{folder.name}-without-verify")
    for journal in folder.glob("*/*.journal"):
        target = other / journal.relative_to(folder)
        if not target.exists():  # what an earlier benchmark has solved into this folder stays
            shutil.copytree(journal, target)
    return await make(other, models, draws, verify=False)


def held_out(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows whose combination of concepts is in no training text."""
    return (row for row in rows if held_out_combination(row["foundational_concepts"]))


def planted(kinds: Sequence[str], count: int) -> list[Row]:
    """Rows with one planted defect of each kind, `count` of each, and none for the kind "clean"."""
    return [_planted(kind, number) for kind in kinds for number in range(count)]


def _planted(kind: str, number: int) -> Row:
    rng = random.Random(f"nano benchmark planted {kind} {number}")
    while True:
        concepts, level = asked(rng, held_out=True)
        try:
            made = draft(concepts, level, "judge-b", rng, () if kind == "clean" else (kind,))
        except DesignError:  # some combinations have no problem, and some defects have no place
            continue
        name = f"{kind}-{number:04d}"
        return {
            "id": name,
            "kind": kind,
            "foundational_concepts": list(concepts),
            "level": made.level,
            "completion": made.material,
        }


async def judged(rows: Sequence[Row], models: Models, folder: Path) -> dict[str, dict[str, Row]]:
    """The reply of each judge to each row, by the judge's name and the row's id."""
    found = {}
    for judge in load("nano").judge:
        stage = Judge(judge.name, domains.load("nano"), judge.sampling, SEED)
        read = await through(stage, rows, models.of(f"judge-{judge.name}"), folder / f"judge-{judge.name}.jsonl")
        found[judge.name] = {row["id"]: row for row in read}
    return found


async def solved(role: str, rows: Iterable[Row], n: int, models: Models, folder: Path) -> list[Row]:
    """A row for each of `n` traces of each problem, made as `promptcot eval nano` makes them."""
    stage = Solve(domains.load("nano"), load_eval("nano").model.sampling, SEED)
    return await through(stage, list(samples(rows, n)), models.of(role), folder / f"{role}.jsonl")


def finished(count: int) -> list[Row]:
    """Finished problems without a defect, with the concepts and the level that they were written for."""
    rows = planted(["clean"], count)
    return [{**row, "problem": read_material(row["completion"]).problem} for row in rows]


def explained(rows: Sequence[Row], models: Models, folder: Path) -> list[Row]:
    """The rows for whose problems the annotator writes a rationale that can be read, with this rationale."""
    journal = folder / "annotator-explain"
    return list(promptcot.explain(rows, model=_annotator(models), prompts="nano", journal=journal, **WORKING))


def extracted(rows: Sequence[Row], models: Models, folder: Path) -> list[Row]:
    """The rows for whose problems the annotator writes a readable list, with its concepts in place of theirs."""
    journal = folder / "annotator-extract"
    return list(promptcot.extract(rows, model=_annotator(models), prompts="nano", journal=journal, **WORKING))


def _annotator(models: Models) -> promptcot.Model:
    """The annotator with the settings of the recipe `cold-start-nano`."""
    return promptcot.Model(model=models.of("annotator"), temperature=0.6, max_tokens=512)


async def through(stage: Stage, rows: Sequence[Row], model: str, target: Path) -> list[Row]:
    """The rows that a stage makes of these with one model."""
    async with Engines(target.parent) as engines:
        engine = await engines.open(Model(model=model), stage.name)
        with Output(target, stage.name) as output, Journal(target.with_suffix(".journal")) as journal:
            await run_stage(stage, rows, engine, LocalRunner(AT_ONCE), output, journal)
            output.commit()
    return list(read_rows(target, may_be_empty=True))
