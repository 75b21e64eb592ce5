"""An evaluation: solves the problems of benchmarks n times and grades the replies, with the settings of its recipe.

Decides which requests are sent, where traces and grades are written, and what the result of a benchmark contains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from promptcot import domains, nano
from promptcot.core.statistics import SourceTally, Tallies, summarize
from promptcot.engines.cluster.scale import Scale
from promptcot.engines.local.rendering import tokenizer_folder
from promptcot.engines.model_files import has_chat_template, special_tokens
from promptcot.engines.opening import Engines
from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import BenchmarkRow, load, renamed
from promptcot.evaluation.grades import draws
from promptcot.evaluation.predictions import PredictionGrader
from promptcot.evaluation.recipe import EvalRecipe
from promptcot.evaluation.registry import with_source
from promptcot.evaluation.results import Evaluated, draw, file_name
from promptcot.grading.graders import Graders
from promptcot.pipeline.execute import open_engines, run_stages
from promptcot.pipeline.job import Ask, StageJob
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.paths import check_evaluation
from promptcot.records import Row
from promptcot.runners.streams import in_order
from promptcot.stages.fitting import Traits, misfits
from promptcot.stages.solve import Solve, samples
from promptcot.storage.atomic import write_json
from promptcot.storage.counts import StageCounts

_ROLE = "solver"
_TOY_WORDS = (
    "this recipe has the prompt and the limits of the embedded models, which give no boxed answers; for any other "
    "model on a server, use the recipe endpoint (promptcot eval endpoint) or one of your own"
)


@dataclass
class Evaluation:
    """One evaluation into `directory`, with `problems` by benchmark. `run` fills `solved`, `results` and `unfit`, the
    number of traces that could not be graded. With `keep_going` it continues even if no trace is usable.
    """

    recipe: EvalRecipe
    directory: Path
    graders: Graders
    problems: Mapping[str, Sequence[BenchmarkRow]]
    solved: dict[Path, StageCounts] = field(default_factory=dict)
    results: list[Evaluated] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    unfit: int = 0
    keep_going: bool = False

    @property
    def stage(self) -> Solve:
        """The stage that sends the problems to the model."""
        recipe = self.recipe
        return Solve(domains.load(recipe.prompts), recipe.model.sampling, recipe.seed, recipe.model.chat, recipe.style)

    @property
    def notes(self) -> list[str]:
        """Warnings about settings that do not suit the model. Raises InputError for an unknown style."""
        model = self.recipe.model
        [request] = self.stage.ask({"id": "", "problem": "?", "sample": 0})
        prompt = request.prompt or request.messages[-1].content
        folder = tokenizer_folder(model, _ROLE)
        traits = None if folder is None else Traits(has_chat_template(folder), frozenset(special_tokens(folder)))
        found = list(misfits(prompt, model.chat, traits))
        if nano.is_world(self.recipe.prompts) and model.base_url and not nano.is_nano(model.model):
            found = [_TOY_WORDS, *found]
        return [f"note: {model.model}: {one}" for one in found]

    def rows(self, source: str) -> list[Row]:
        """The problems of a benchmark as `solve` takes them, with their golds."""
        return [_row(one) for one in self.problems[source]]

    async def run(self, observer: Observer, scale: Scale | None = None) -> None:
        """Solve, grade, and write the results; on a cluster if `scale` is given. Raises PromptCoTError."""
        files = [self._file(source) for source in self.problems]
        check_evaluation(self.recipe.benchmarks, self.recipe.model, self.recipe.prompts, self.directory, files)
        for note in self.notes:
            observer.note(note)
        async with open_engines(self.directory, observer, scale, self.recipe.concurrency) as engines:
            model = (await engines.open(self.recipe.model, _ROLE)).model
            for source in self.problems:
                self.solved[self._file(source)] = await self._solve(source, observer, engines)
        self.results = [await self._graded(source, observer) for source in self.problems]
        target = self.directory / "results.json"
        head = {"recipe": self.recipe.model_dump(mode="json"), "model": model}
        write_json(target, {**head, "benchmarks": {one.benchmark: one.as_json() for one in self.results}})
        self.written = [target, *draw(self.results, self.directory)]

    def _file(self, source: str) -> Path:
        return self.directory / f"{file_name(source)}.jsonl"

    async def _solve(self, source: str, observer: Observer, engines: Engines) -> StageCounts:
        recipe, stage = self.recipe, self.stage
        asked = partial(samples, self.rows(source), recipe.n)
        job = StageJob(
            stage.name,
            [Ask(stage, recipe.model, _ROLE, lambda: in_order(asked()))],
            self._file(source),
            recipe.model_dump(mode="json"),
            stage.prompts.hashes,
            recipe.concurrency,
            keep_going=self.keep_going,
        )
        return await run_stages(job, observer, engines, shown_as=source)

    async def _graded(self, source: str, observer: Observer) -> Evaluated:
        """The statistics of a benchmark and of each of its levels, in the order in which they first appear."""
        sources, levels = Tallies(), Tallies()
        file = self._file(source)
        judge = PredictionGrader(self.graders, unboxed=self.recipe.unboxed)
        async for one in judge.graded(file):
            sources.add(source, one.problem, one.sampled, one.sample)
            if one.level is not None:
                levels.add(one.level, one.problem, one.sampled, one.sample)
        for (_, problem), joined in judge.joined.items():
            for tally in (*sources, *levels):
                tally.join(problem, joined)
        self.unfit += judge.unfit
        for note in judge.notes:
            observer.note(f"note: {note}")
        [summary] = [summarize(one, rng=draws(source)) for one in sources] or [summarize(SourceTally(source))]
        by_level = tuple(summarize(one, rng=draws(source)) for one in levels)
        problems = len(self.problems[source])
        whole = any(benchmark.rows == problems for benchmark in with_source(source))
        asked = problems * self.recipe.n
        return Evaluated(self.recipe.model.model, source, summary, by_level, asked, whole)


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of the evaluation, by benchmark; `refused` counts those left out because no answer can match their
    gold.
    """

    asked: Mapping[str, Sequence[BenchmarkRow]]
    refused: int


def load_problems(
    recipe: EvalRecipe, graders: Graders, limit: int | None, observer: Observer, *, strict: bool = False
) -> Problems:
    """The problems of each benchmark. Raises InputError for a repeated one; where `strict`, for a refused gold."""
    found: dict[str, list[BenchmarkRow]] = {}
    refused = 0
    for name in recipe.benchmarks:
        loaded = renamed(load(name, graders, strict=strict))
        refused += len(loaded.refused)
        for warning in loaded.warnings:
            observer.note(f"note: {warning}")
        for source in loaded.benchmarks:
            if source in found:
                raise InputError(f"{name}: the benchmark {source} is listed twice; name it once")
            found[source] = [row for row in loaded.rows if row.source == source][:limit]
    return Problems(found, refused)


def _row(one: BenchmarkRow) -> Row:
    row = {"id": one.id, "source": one.source, "problem": one.problem, "answer": one.gold}
    return row if one.level is None else {**row, "level": one.level}
