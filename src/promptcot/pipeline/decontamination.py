"""The steps of a decontamination that also compares meanings: embed the rows, compare the vectors, confirm the matches.

The problems of the benchmarks are embedded before the first row of the set is read, and these calls are journaled like
any others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.opening import EMBEDDER
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError
from promptcot.evaluation.references import References
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.plan import PlannedStep
from promptcot.pipeline.steps_job import StepsJob
from promptcot.recipe.schema import Model
from promptcot.records import Item
from promptcot.stages.confirm import Confirm
from promptcot.stages.decontaminate import NEAR, Decontaminate
from promptcot.stages.embed import Embed, vector_of
from promptcot.storage.rows import read_rows

NAME = "embed-references"
EMBED = "embed-decontaminate"
CONFIRM = "confirm"
_FILE = "references.jsonl"


@dataclass(frozen=True)
class Meanings:
    """Settings for comparing meanings: the source of the vectors, the similarity threshold, and the model that confirms
    matches.
    """

    model: Model
    near: float = NEAR
    confirm: Model | None = None


def decontamination(
    found: References,
    mask_numbers: bool = True,
    meanings: Meanings | None = None,
    vectors: NDArray[np.float16] | None = None,
    seed: int = 0,
) -> tuple[Decontaminate, list[PlannedStep]]:
    """The comparing step, and all steps in order. `vectors` are those of the references, if meanings are compared."""
    if meanings is None:
        alone = Decontaminate(found, mask_numbers)
        return alone, [PlannedStep(alone.name, "step", make=lambda _: alone)]
    asked = meanings.confirm
    step = Decontaminate(found, mask_numbers, meanings.near, vectors, confirm=asked is not None)
    steps = [
        PlannedStep(EMBED, "stage", meanings.model, EMBEDDER, Embed(EMBED), about="vectors of problems"),
        PlannedStep(step.name, "step", make=lambda _: step),
    ]
    if asked is not None:
        stage = Confirm(asked.sampling, seed, asked.chat)
        steps.append(PlannedStep(stage.name, "stage", asked, "judge-a", stage))
    return step, steps


async def reference_vectors(
    found: References, model: Model, folder: Path, observer: Observer, engine: Engine | None = None
) -> NDArray[np.float16]:
    """Array (references, dimensions), in the order of the references. If the caller passes an `engine`, it replaces the
    model.

    Calls are journaled in `folder`, so that none is repeated. Raises InputError if a problem has no vector, and the
    engine's errors.
    """
    output = folder / _FILE

    def items() -> Iterator[Item]:
        for place, reference in enumerate(found.problems):
            yield Item(place, {"id": str(place), "problem": reference.problem})

    step = PlannedStep(NAME, "stage", model, EMBEDDER, Embed(NAME))
    engines = {} if engine is None else {NAME: engine}
    [counts] = await run_steps(StepsJob(NAME, [step], items, output, engines=engines), observer)
    if counts.rows_out < len(found.problems):
        raise InputError(
            f"{len(found.problems) - counts.rows_out:,} of {len(found.problems):,} problems of the benchmarks have no "
            f"vector; {output.name} in {folder} and the files beside it say why"
        )
    return vectors_in(folder)


def vectors_in(folder: Path) -> NDArray[np.float16]:
    """The vectors that `reference_vectors` wrote in a folder. Raises InputError."""
    return np.stack([vector for row in read_rows(folder / _FILE) if (vector := vector_of(row)) is not None])
