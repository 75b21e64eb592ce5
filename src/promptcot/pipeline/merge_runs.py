"""Joins the run directories of several drivers into one run directory. No model is called.

The union of the sampled rows goes through an ordinary run, whose runner replays the outcomes of the shards (`replay`).
Steps that compare rows therefore see all of them. Reviews of a shard apply to all rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from promptcot.core.shards import Part, place_of
from promptcot.core.units import counted
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineUnusable, InputError
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.merge import Made, join_journals, joined_rows, total, unsharded
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.plan import REFERENCES, PlannedStep, asking
from promptcot.pipeline.replay import NOT_ASKED, Replay, Said
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import parse
from promptcot.records import Row
from promptcot.stages.review import REVIEW
from promptcot.storage import reviews
from promptcot.storage.atomic import locked, storing
from promptcot.storage.counts import StageCounts

_BY_ROW = ("filter", "verify", "decontaminate", "label", REVIEW)
"""Steps without a model that decide about each row, or each problem, independently: rows of a shard go through
unchanged.
"""


async def merge_runs(
    target: Path, shards: Sequence[Made], observer: Observer, *, partial: bool = False
) -> tuple[Run, Inputs]:
    """The run of all shards together, finished in `target`. Raises PromptCoTError."""
    observer.note(f"joining {counted(len(shards), 'shard')} into {target}")
    manifest = unsharded(shards[0].manifest)
    if damaged := reviews.join(target, [one.path for one in shards]):
        lines = "1 line is" if damaged == 1 else f"{damaged:,} lines are"
        observer.note(f"reviews: {lines} damaged in the {reviews.REVIEWS} of the shards and skipped")
    inputs = Inputs(parse(manifest["recipe"], str(shards[0].path)), target, manifest.get("until"))
    with locked(target / "lock"):
        said = {step.name: _outcomes_of(step, inputs, shards, observer) for step in asking(inputs.steps)}
        _copy_vectors(target, shards)
    merged = Run(
        inputs.steps,
        inputs.recipe.run,
        target,
        {name: ScriptedEngine(_refuse, model=one.model) for name, one in said.items()},
        _sampled(shards, partial),
        Replay(said),
        _encoded(shards),
        part=Part(whole=True),
        known_concepts=len(inputs.table),
    )
    with observer.watch(merged.counts, total=None):
        await merged.run(manifest)
    if more := sum(counts.failed[NOT_ASKED] for counts in merged.counts.values()):
        observer.note(
            f"{more:,} rows failed because no shard processed them. To process them, repeat the shards' command "
            f"with --output-dir {target} and without --shard; no finished call is repeated"
        )
    return merged, inputs


def _refuse(_: object) -> Exception:
    return EngineUnusable("no model is called when shards are joined")


def _outcomes_of(step: PlannedStep, inputs: Inputs, shards: Sequence[Made], observer: Observer) -> Said:
    """The outcomes that the shards recorded for a stage; their journals are joined."""
    assert step.stage is not None
    name = step.name
    theirs = [(one, one.path / f"{name}.journal") for one in shards]
    paid = join_journals(name, inputs.directory / f"{name}.journal", theirs, observer)
    asked = total(name, shards)
    before = inputs.steps[: inputs.steps.index(step)]
    behind = any(one.kind == "step" and one.name not in _BY_ROW for one in before)
    model = shards[0].manifest["models"][name]
    return Said(step.stage, model, [one.path for one in shards], asked, asked.paid if paid is None else None, behind)


def _sampled(shards: Sequence[Made], partial: bool) -> Iterator[Row]:
    """The combinations of all shards, with their positions. Raises InputError if they are not one stream."""
    for number, row in enumerate(joined_rows([one.path / "sample.jsonl" for one in shards])):
        if place_of(row) != number and not partial:
            raise InputError(
                f"the shards did not draw the same combinations: number {number} is in none of them, or number "
                f"{number - 1} in two. If each shard computed the concepts' vectors itself, compute them once with "
                "`promptcot encode`, and run the shards with --set encode.path=FILE"
            )
        yield row


def _copy_vectors(target: Path, shards: Sequence[Made]) -> None:
    """Copy the concepts' vectors, which are the same in all shards, and the files by which the next run recognizes
    them.
    """
    found = next((one.path for one in shards if (one.path / "encode.safetensors").exists()), None)
    files = [] if found is None else [*found.glob("encode.*"), *found.glob("encode.journal/*.vectors")]
    with_benchmarks = next((one.path for one in shards if (one.path / REFERENCES).exists()), None)
    if with_benchmarks is not None:
        with storing(target):
            shutil.copytree(with_benchmarks / REFERENCES, target / REFERENCES, dirs_exist_ok=True)
    with storing(target):
        for file in files:
            if file.is_file():
                there = target / file.relative_to(found or file)
                there.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, there)


def _encoded(shards: Sequence[Made]) -> list[StageCounts]:
    """The counts of the encoding, which each shard did for itself."""
    found = [one.counts["encode"] for one in shards if "encode" in one.counts]
    for other in found[1:]:
        found[0].seconds += other.seconds
    return found[:1]
