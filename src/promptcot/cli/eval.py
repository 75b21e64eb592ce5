"""`promptcot eval`: benchmarks solved and graded with the settings of a recipe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from promptcot import prompts
from promptcot.cli.console import close_books, say
from promptcot.cli.grade import draws
from promptcot.cli.options import ENGINES
from promptcot.cli.progress import Progress
from promptcot.cli.scores import result_lines, summary_lines
from promptcot.core.statistics import SourceTally, Tallies, summarize
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import BenchmarkRow, load, renamed
from promptcot.evaluation.predictions import PredictionGrader
from promptcot.evaluation.recipe import EvalRecipe, load_eval
from promptcot.evaluation.registry import with_source
from promptcot.evaluation.results import Evaluated, draw, file_name
from promptcot.grading.grader import Grader
from promptcot.pipeline.run import open_books, run_stage
from promptcot.records import Row
from promptcot.runners.local import LocalRunner
from promptcot.stages.solve import Solve, samples
from promptcot.storage.atomic import write_json
from promptcot.storage.budget import Budget
from promptcot.storage.journal import Journal
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output
from promptcot.storage.paths import beside

_WORKERS = 2


@click.command("eval")
@click.argument("recipe", default="nano")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Where everything goes.  [default: out/eval-NAME of the recipe]",
)
@click.option("--benchmarks", multiple=True, help="Names or files instead of the recipe's; repeatable, or with commas.")
@click.option("--n", type=click.IntRange(min=1), help="Traces of each problem.")
@click.option("--limit-rows", type=click.IntRange(min=1), help="Only the first N problems of each benchmark.")
@click.option("--base-url", multiple=True, help="An OpenAI-compatible server that has the model.")
@click.option("--model", help="Another model than the recipe's.")
@click.option("--engine", type=click.Choice(ENGINES), help="Who serves the model, as in `solve`.")
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change one key of the recipe; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show the first prompt and the counts; call no model.")
def command(
    recipe: str,
    output_dir: Path | None,
    benchmarks: tuple[str, ...],
    n: int | None,
    limit_rows: int | None,
    base_url: tuple[str, ...],
    model: str | None,
    engine: str | None,
    changes: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Have a model solve benchmarks, grade it, and set the results beside the published ones.

    RECIPE is a shipped name or a TOML file; nano by default. Run the same command again after an
    interruption: finished calls are not repeated.
    """
    overrides: dict[str, Any] = {
        "benchmarks": [name for names in benchmarks for name in names.split(",") if name] or None,
        "n": n,
        "model.base_url": list(base_url) or None,
        "model.model": model,
        "model.engine": engine,
    }
    resolved = load_eval(recipe, changes, overrides)
    directory = output_dir or Path("out") / f"eval-{resolved.name}"
    with Grader(_WORKERS) as grader:
        evaluation = _Evaluation(resolved, directory, grader, _problems(resolved, grader, limit_rows))
        if dry_run:
            evaluation.show()
            return 0
        return asyncio.run(evaluation.run())


def _problems(recipe: EvalRecipe, grader: Grader, limit: int | None) -> dict[str, list[BenchmarkRow]]:
    """The problems of each benchmark. Raises InputError for golds that cannot be graded, and for a repeated one."""
    found: dict[str, list[BenchmarkRow]] = {}
    for name in recipe.benchmarks:
        loaded = renamed(load(name, grader.check_gold))
        for warning in loaded.warnings:
            say(f"note: {warning}")
        for source in loaded.benchmarks:
            if source in found:
                raise InputError(f"{name}: the benchmark {source} is there twice; name it once")
            found[source] = [row for row in loaded.rows if row.source == source][:limit]
    return found


def _row(one: BenchmarkRow) -> Row:
    """A problem as `solve` takes it, with its gold."""
    row = {"id": one.id, "source": one.source, "problem": one.problem, "answer": one.gold}
    return row if one.level is None else {**row, "level": one.level}


@dataclass(frozen=True)
class _Evaluation:
    recipe: EvalRecipe
    directory: Path
    grader: Grader
    problems: Mapping[str, Sequence[BenchmarkRow]]

    def show(self) -> None:
        """What would be done."""
        recipe, settings = self.recipe, self.recipe.model.sampling
        say(f"promptcot eval: recipe {recipe.name}, {recipe.model.model}, into {self.directory}")
        say(f"temperature {settings.temperature}, top_p {settings.top_p}, at most {settings.max_tokens:,} tokens")
        for source, rows in self.problems.items():
            say(f"{source}: {len(rows):,} problems × {recipe.n} = {len(rows) * recipe.n:,} traces")
            [request] = self._stage.ask({**_row(rows[0]), "sample": 0})
            text = request.prompt or "\n".join(message.content for message in request.messages)
            say("its first prompt:")
            say("\n".join(f"  | {line}" for line in text.splitlines()))

    async def run(self) -> int:
        """Solve, grade, tell; returns the exit code."""
        engines = Engines(self.directory)
        say(f"promptcot eval: recipe {self.recipe.name}, seed {self.recipe.seed}, into {self.directory}")
        try:
            engine = await engines.open(self.recipe.model, "solver")
            codes = [await self._solve(source, engine) for source in self.problems]
        finally:
            await engines.close()
        results = [await self._graded(source) for source in self.problems]
        self._tell(results, engine.model)
        return max(codes, default=0)

    @property
    def _stage(self) -> Solve:
        recipe = self.recipe
        loaded = prompts.load(recipe.prompts)
        return Solve(loaded, recipe.model.sampling, recipe.seed, recipe.model.chat, recipe.style)

    def _file(self, source: str) -> Path:
        return self.directory / f"{file_name(source)}.jsonl"

    async def _solve(self, source: str, engine: Engine) -> int:
        rows, target, stage = self.problems[source], self._file(source), self._stage
        with Output(target, "solve") as output, Journal(beside(target, "journal")) as journal:
            open_books(journal, output.counts, self.recipe.model.priced, Budget(None))
            with Progress({source: output.counts}, total=len(rows) * self.recipe.n):
                asked = samples(map(_row, rows), self.recipe.n)
                await run_stage(stage, asked, engine, LocalRunner(self.recipe.concurrency), output, journal)
            told = self.recipe.model_dump(mode="json")
            output.commit(manifest(told, stage.prompts.hashes, {"solver": engine.model}))
            return close_books(target, [output.counts])

    async def _graded(self, source: str) -> Evaluated:
        """The statistics of a benchmark and of each of its levels, in the order in which they first appear."""
        stage_counts, levels = Tallies(), Tallies()
        file = self._file(source)
        judge = PredictionGrader(self.grader, unboxed=self.recipe.unboxed)
        async for one in judge.graded(file, beside(file, "grades")):
            stage_counts.add(source, one.problem, one.sampled, one.sample)
            if one.level is not None:
                levels.add(one.level, one.problem, one.sampled, one.sample)
        [summary] = [summarize(counts, rng=draws(source)) for counts in stage_counts] or [
            summarize(SourceTally(source))
        ]
        by_level = tuple(summarize(counts, rng=draws(source)) for counts in levels)
        problems = len(self.problems[source])
        whole = any(benchmark.rows == problems for benchmark in with_source(source))
        asked = problems * self.recipe.n
        return Evaluated(self.recipe.model.model, source, summary, by_level, asked, whole)

    def _tell(self, results: Sequence[Evaluated], model: str) -> None:
        for line in self._lines(results):
            say(line)
        target = self.directory / "results.json"
        told = {"recipe": self.recipe.model_dump(mode="json"), "model": model}
        write_json(target, {**told, "benchmarks": {one.benchmark: one.as_json() for one in results}})
        for path in [target, *draw(results, self.directory)]:
            say(f"written: {path}")

    def _lines(self, results: Sequence[Evaluated]) -> Iterator[str]:
        yield from summary_lines(self.recipe.name, [one.summary for one in results])
        for one in results:
            if one.failed:
                yield f"note: {one.benchmark}: {one.failed:,} of {one.asked:,} traces failed, and are in no number"
        yield ""
        yield from result_lines(results)
