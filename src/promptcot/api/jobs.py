"""How the verbs of the API become jobs of `pipeline.execute`: rows into a file, stages over it, results out of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from promptcot.api.inputs import Rows, as_file, shown
from promptcot.api.results import StageResult
from promptcot.api.working import (
    ModelLike,
    Working,
    model_of,
    observer_of,
    rows_beside,
    scale_of,
    shard_in,
    workplace,
)
from promptcot.core.prompts import PromptSet
from promptcot.core.shards import Part
from promptcot.engines.protocol import Engine
from promptcot.errors import UsageError
from promptcot.pipeline.execute import run_stages
from promptcot.pipeline.job import Ask, StageJob
from promptcot.pipeline.shards import part_of
from promptcot.pipeline.synchronous import wait_for
from promptcot.pipeline.trouble import problem_of
from promptcot.recipe.schema import Model
from promptcot.records import Item, Row
from promptcot.stages.defaults import annotator_name, domain_of
from promptcot.stages.protocol import Stage
from promptcot.storage import overlap
from promptcot.storage.counts import StageCounts
from promptcot.storage.rows import read_rows, with_ids

Read = Callable[[Path], Iterator[Row]]
Annotators = Mapping[str, tuple[Model, Engine | None]]
SEED = 8000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def plain_rows(source: Path) -> Iterator[Row]:
    """The rows of a file, each with an id."""
    return with_ids(read_rows(source, may_be_empty=True))


class Job:
    """One call of a verb: `rows`, and how it works, which is checked before.

    `columns` are written down with the other settings.
    """

    def __init__(
        self,
        rows: Rows | StageResult,
        working: Working,
        domain: PromptSet | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self._rows = rows.rows if isinstance(rows, StageResult) else rows
        self._made_for = rows.shard if isinstance(rows, StageResult) else None
        self._working = working
        self._domain = domain
        self._told = {"columns": dict(columns)} if columns else {}

    def ask(self, stage: Stage, model: tuple[Model, Engine | None], role: str, read: Read = plain_rows) -> StageResult:
        """What came of one stage. Raises PromptCoTError."""
        spec, engine = model

        def ask(source: Path, part: Part) -> list[Ask]:
            return [Ask(stage, spec, role, lambda: part.items(read(source)), engine)]

        return self._run(stage.name, ask)

    def annotate(
        self, name: str, annotators: Annotators, stage: Callable[[str, Model], Stage], read: Read
    ) -> StageResult:
        """What came of a stage for each annotator, at the same time. Each row of `read` names its annotator."""

        def items(source: Path, part: Part, annotator: str) -> Iterator[Item]:
            return (item for item in part.items(read(source)) if item.row["annotator"] == annotator)

        def ask(source: Path, part: Part, annotator: str) -> Ask:
            spec, engine = annotators[annotator]
            return Ask(stage(annotator, spec), spec, "annotator", lambda: items(source, part, annotator), engine)

        return self._run(name, lambda source, part: [ask(source, part, annotator) for annotator in annotators])

    def _run(self, name: str, asks: Callable[[Path, Part], list[Ask]]) -> StageResult:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise UsageError(f"{name!r} is no name of a stage: it has letters, digits, dots, dashes and underscores")
        journal = self._working.get("journal")
        with workplace(journal) as folder, tempfile.TemporaryDirectory(prefix="promptcot-") as apart:
            source = as_file(self._rows, Path(apart), may_be_empty=True)
            if source.parent == Path(apart) and not source.stat().st_size:
                return StageResult([], [], [], StageCounts(name))
            output = folder / f"{name}.jsonl"
            overlap.check_paths([overlap.Read(source)], [overlap.Written.of(output, "file")])
            part = self._part(source, output)
            job = self._job(name, asks(source, part), output, part)
            observer, scale = observer_of(self._working.get("on_progress")), scale_of(self._working.get("cluster"))
            counts = wait_for(run_stages(job, observer, scale=scale))
            found, problem = rows_beside(job.output, lasting=journal is not None), problem_of(counts, job.output)
            return StageResult(*found, counts, None if journal is None else folder, self._working.get("shard"), problem)

    def _part(self, source: Path, output: Path) -> Part:
        """What is taken of the rows: all, where another function gave them for the same shard. Raises UsageError."""
        shard = shard_in(self._working)
        if shard is not None and self._made_for == str(shard):
            return Part(shard, whole=True)
        return part_of(shard, [source], output)

    def _job(self, name: str, asks: list[Ask], output: Path, part: Part) -> StageJob:
        prices = {ask.stage.name: ask.model.price for ask in asks}
        if self._working.get("max_cost") is not None and None in prices.values():
            raise UsageError("max_cost needs the price of every model, as in promptcot.Model(price={…})")
        if len({price.model_dump_json() if price else "" for price in prices.values()}) > 1:
            raise UsageError(f"{', '.join(prices)} have different prices: ask each in a call of its own")
        models = {ask.stage.name: ask.model.model_dump(mode="json") for ask in asks}
        return StageJob(
            name,
            asks,
            output,
            {"data_path": shown(self._rows), "seed": self._working.get("seed", SEED), "models": models, **self._told},
            self._domain.hashes if self._domain else {},
            self._working.get("concurrency", 256),
            self._working.get("max_retries", 0),
            self._working.get("max_cost"),
            part,
            self._working.get("keep_going", False),
        )


def annotators_of(given: ModelLike | Mapping[str, ModelLike], **defaults: Any) -> Annotators:
    """The annotators by name: those of a mapping from names to models, or one model under its own name."""
    if isinstance(given, Mapping) and not set(given) & set(Model.model_fields):
        return {str(name): model_of(one, **defaults) for name, one in given.items()}
    spec, engine = model_of(given, **defaults)
    return {annotator_name(spec): (spec, engine)}


def common_domain(annotators: Annotators) -> str:
    """The folder of prompts that all annotators know."""
    found = {domain_of(spec) for spec, _ in annotators.values()}
    return found.pop() if len(found) == 1 else "math"
