"""Turns calls of the API's verbs into jobs of `pipeline.execute`: writes the rows to a file, runs stages, reads
results.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
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
from promptcot.pipeline.execute import run_stages, run_steps
from promptcot.pipeline.job import Ask, StageJob
from promptcot.pipeline.plan import PlannedStep, asking
from promptcot.pipeline.shards import part_of
from promptcot.pipeline.steps_job import StepsJob, whole
from promptcot.pipeline.synchronous import wait_for
from promptcot.pipeline.trouble import problem_of
from promptcot.recipe.schema import Model
from promptcot.records import Item, Row
from promptcot.stages.defaults import annotator_name
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
    """One call of a verb: `rows`, and its working settings, which are already checked.

    `columns` are recorded with the other settings.
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
        """The result of one stage. Raises PromptCoTError."""
        spec, engine = model

        def ask(source: Path, part: Part) -> list[Ask]:
            return [Ask(stage, spec, role, lambda: part.items(read(source)), engine)]

        return self._run(stage.name, ask)

    def annotate(
        self, name: str, annotators: Annotators, stage: Callable[[str, Model], Stage], read: Read
    ) -> StageResult:
        """The result of a stage for several annotators at the same time. Each row of `read` names its annotator."""

        def items(source: Path, part: Part, annotator: str) -> Iterator[Item]:
            return (item for item in part.items(read(source)) if item.row["annotator"] == annotator)

        def ask(source: Path, part: Part, annotator: str) -> Ask:
            spec, engine = annotators[annotator]
            return Ask(stage(annotator, spec), spec, "annotator", lambda: items(source, part, annotator), engine)

        return self._run(name, lambda source, part: [ask(source, part, annotator) for annotator in annotators])

    def apply(
        self,
        name: str,
        steps: Sequence[PlannedStep],
        engines: Mapping[str, Engine] | None = None,
        read: Read = plain_rows,
        options: Mapping[str, Any] | None = None,
    ) -> StageResult:
        """The result of taking the rows through several steps. The caller's own `engines` are keyed by step name,
        `options` are recorded with the other settings. Raises PromptCoTError.
        """

        def work(source: Path, part: Part, output: Path) -> Coroutine[Any, Any, StageCounts]:
            return self._apply(self._steps_job(name, steps, source, part, output, engines or {}, read, options or {}))

        return self._worked(name, work)

    async def _apply(self, job: StepsJob) -> StageCounts:
        observer, scale = observer_of(self._working.get("on_progress")), scale_of(self._working.get("cluster"))
        counts = await run_steps(job, observer, scale=scale)
        return whole(job.name, job.steps, {one.name: one for one in counts})

    def _steps_job(
        self,
        name: str,
        steps: Sequence[PlannedStep],
        source: Path,
        part: Part,
        output: Path,
        engines: Mapping[str, Engine],
        read: Read,
        options: Mapping[str, Any],
    ) -> StepsJob:
        models = {step.name: step.asked for step in asking(steps)}
        free = [step for step, model in models.items() if model.price is None]
        if self._working.get("max_cost") is not None and free:
            raise UsageError("max_cost needs the price of every model, as in promptcot.Model(price={…})")
        return StepsJob(
            name,
            steps,
            lambda: part.items(read(source)),
            output,
            {**self._settings(models), **options},
            self._domain.hashes if self._domain else {},
            self._working.get("concurrency", 256),
            self._working.get("max_retries", 0),
            self._working.get("max_cost"),
            part,
            self._working.get("keep_going", False),
            engines,
        )

    def _settings(self, models: Mapping[str, Model]) -> dict[str, Any]:
        """The settings recorded beside the output."""
        told = {name: model.model_dump(mode="json") for name, model in models.items()}
        return {
            "data_path": shown(self._rows),
            "seed": self._working.get("seed", SEED),
            "models": told,
            **self._told,
        }

    def _run(self, name: str, asks: Callable[[Path, Part], list[Ask]]) -> StageResult:
        def work(source: Path, part: Part, output: Path) -> Coroutine[Any, Any, StageCounts]:
            job = self._job(name, asks(source, part), output, part)
            observer, scale = observer_of(self._working.get("on_progress")), scale_of(self._working.get("cluster"))
            return run_stages(job, observer, scale=scale)

        return self._worked(name, work)

    def _worked(self, name: str, work: Callable[[Path, Part, Path], Coroutine[Any, Any, StageCounts]]) -> StageResult:
        """Call `work`, which writes an output from a file, and return the output. Raises PromptCoTError."""
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise UsageError(f"{name!r} is not a valid stage name; use letters, digits, dots, dashes and underscores")
        journal = self._working.get("journal")
        with workplace(journal) as folder, tempfile.TemporaryDirectory(prefix="promptcot-") as apart:
            source = as_file(self._rows, Path(apart), may_be_empty=True)
            if source.parent == Path(apart) and not source.stat().st_size:
                return StageResult([], [], [], StageCounts(name))
            output = folder / f"{name}.jsonl"
            overlap.check_paths([overlap.Read(source)], [overlap.Written.of(output, "file")])
            part = self._part(source, output)
            counts = wait_for(work(source, part, output))
            found, problem = rows_beside(output, lasting=journal is not None), problem_of(counts, output)
            return StageResult(*found, counts, None if journal is None else folder, self._working.get("shard"), problem)

    def _part(self, source: Path, output: Path) -> Part:
        """The part of the rows to use: all, if another function returned them for the same shard. Raises UsageError."""
        shard = shard_in(self._working)
        if shard is not None and self._made_for == str(shard):
            return Part(shard, whole=True)
        return part_of(shard, [source], output)

    def _job(self, name: str, asks: list[Ask], output: Path, part: Part) -> StageJob:
        prices = {ask.stage.name: ask.model.price for ask in asks}
        if self._working.get("max_cost") is not None and None in prices.values():
            raise UsageError("max_cost needs the price of every model, as in promptcot.Model(price={…})")
        if len({price.model_dump_json() if price else "" for price in prices.values()}) > 1:
            raise UsageError(f"{', '.join(prices)} have different prices: use a separate call for each")
        return StageJob(
            name,
            asks,
            output,
            self._settings({ask.stage.name: ask.model for ask in asks}),
            self._domain.hashes if self._domain else {},
            self._working.get("concurrency", 256),
            self._working.get("max_retries", 0),
            self._working.get("max_cost"),
            part,
            self._working.get("keep_going", False),
        )


def annotators_of(models: ModelLike | Mapping[str, ModelLike], **defaults: Any) -> Annotators:
    """The annotators by name: those of a mapping from names to models, or one model under its own name."""
    if isinstance(models, Mapping) and not set(models) & set(Model.model_fields):
        return {str(name): model_of(one, **defaults) for name, one in models.items()}
    spec, engine = model_of(models, **defaults)
    return {annotator_name(spec): (spec, engine)}
