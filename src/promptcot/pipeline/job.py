"""A job: stages that write one output, with all that it takes to run them. What runs it is decided in `execute`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.core.shards import EVERYTHING, Part
from promptcot.engines.protocol import Engine
from promptcot.recipe.schema import Model
from promptcot.records import Item
from promptcot.stages import called
from promptcot.stages.protocol import Stage
from promptcot.storage.manifest import manifest


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
        return sum(map(_count_items, self.asks))


def _count_items(ask: Ask) -> int:
    items = ask.items()
    first = next(items, None)
    if first is None:
        return 0
    called.ask(ask.stage, first.row)
    return 1 + sum(1 for _ in items)
