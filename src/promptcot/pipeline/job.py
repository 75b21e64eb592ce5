"""A job: the stages that write one output, and everything needed to run them. `execute` runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.core.shards import EVERYTHING, Part
from promptcot.engines.protocol import Engine
from promptcot.errors import StageFault, UnfitRow
from promptcot.recipe.schema import Model
from promptcot.records import Item
from promptcot.stages import called
from promptcot.stages.protocol import Stage
from promptcot.storage.manifest import manifest

_LOOKED_AT = 20
"""Rows that a stage is tried on before a model is loaded, as long as it fails over them."""


@dataclass(frozen=True)
class Ask:
    """A stage, the model that it asks, the role that this plays, and the items that it is asked about, read anew.

    An `engine` of the caller's answers in the model's place, and stays open.
    """

    stage: Stage
    model: Model
    role: str
    items: Callable[[], Iterator[Item]]
    engine: Engine | None = None


@dataclass(frozen=True)
class StageJob:
    """Stages that write one output under one name, at the same time. `settings` and `prompts` are for its manifest.

    The items of `asks` are those of a `part`. With `keep_going` all of them are asked about, of whatever use it is.
    """

    name: str
    asks: Sequence[Ask]
    output: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 256
    max_retries: int = 0
    max_cost: float | None = None
    part: Part = EVERYTHING
    keep_going: bool = False

    def manifest(self, engines: Sequence[Engine]) -> dict[str, Any]:
        """What is written beside the output: the models by role, or by stage where there are several."""
        names = [self.asks[0].role] if len(self.asks) == 1 else [ask.stage.name for ask in self.asks]
        models = {name: one.model for name, one in zip(names, engines, strict=True)}
        return {**manifest(self.settings, self.prompts, models), **self.part.told()}

    def count_items(self) -> int:
        """How many rows come in. A wrong file, or prompt, is found before a model is loaded: raises InputError."""
        return sum(count_items(ask.stage, ask.items()) for ask in self.asks)


def count_items(stage: Stage, items: Iterator[Item]) -> int:
    """The rows. Raises InputError for a first row that lacks what is asked about: then all rows will, most likely; and
    StageFault for a stage that fails over each of the first ones.
    """
    faults: list[StageFault] = []
    number = 0
    for number, item in enumerate(items, 1):
        if number > min(len(faults), _LOOKED_AT - 1) + 1:
            continue
        try:
            called.ask(stage, item.row)
        except StageFault as fault:
            faults.append(fault)
        except UnfitRow:
            if number == 1:
                raise
    if faults and len(faults) == min(number, _LOOKED_AT):
        raise faults[0]
    return number
