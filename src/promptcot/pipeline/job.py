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
"""Rows on which a stage is tried before a model is loaded, until one succeeds."""


@dataclass(frozen=True)
class Ask:
    """A stage, its model, the role of this model, and a function that reads the items anew.

    If the caller passes an `engine`, it replaces the model and stays open.
    """

    stage: Stage
    model: Model
    role: str
    items: Callable[[], Iterator[Item]]
    engine: Engine | None = None


@dataclass(frozen=True)
class StageJob:
    """Stages that write one output under one name, at the same time. `settings` and `prompts` are for its manifest.

    The items of `asks` are those of a `part`. With `keep_going` the job continues even if no reply is usable.
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
        """The manifest written beside the output: the models by role, or by stage if there are several."""
        names = [self.asks[0].role] if len(self.asks) == 1 else [ask.stage.name for ask in self.asks]
        models = {name: one.model for name, one in zip(names, engines, strict=True)}
        return {**manifest(self.settings, self.prompts, models), **self.part.told()}

    def count_items(self) -> int:
        """The number of input rows. Checks the file and the prompt before a model is loaded: raises InputError."""
        return sum(count_items(ask.stage, ask.items()) for ask in self.asks)


def count_items(stage: Stage, items: Iterator[Item]) -> int:
    """The rows. Raises InputError if the first row lacks a required field, since all rows then probably do, and
    StageFault for a stage that fails on each of the first rows.
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
