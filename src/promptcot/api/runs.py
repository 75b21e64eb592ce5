"""The whole pipeline, and evaluations, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from promptcot import domains
from promptcot.api.arguments import check, check_given, checking
from promptcot.api.results import EvaluationResult, RunResult, StageResult
from promptcot.api.working import OnProgress, delivered, observer_of, rows_beside, scale_of, shard_in
from promptcot.engines.cluster.scale import Scale
from promptcot.errors import InputError, UsageError
from promptcot.evaluation.recipe import EvalRecipe, load_eval
from promptcot.grading.graders import Graders
from promptcot.pipeline import execute
from promptcot.pipeline.evaluate import Evaluation, load_problems
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.merge import merge_files, shards_of
from promptcot.pipeline.merge_runs import merge_runs
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.run import Run
from promptcot.pipeline.shards import default_directory
from promptcot.pipeline.synchronous import wait_for
from promptcot.pipeline.trouble import problem_of, worst_trouble
from promptcot.recipe.loading import load, parse, with_changes
from promptcot.recipe.recipe import Recipe
from promptcot.report.writing import report_at_end
from promptcot.storage.counts import StageCounts
from promptcot.storage.json import loads
from promptcot.storage.sources import refuse_address

Source: TypeAlias = "str | Path | Mapping[str, Any] | Recipe"
"""A shipped name, the path of a TOML file, a table, or a recipe."""
Changes: TypeAlias = "Mapping[str, Any] | Iterable[str] | None"
"""Values by dotted key, or texts in the form of `--set`: `{"sample.temperature": 0.5}`, `["sample.temperature=0.5"]`.
"""

_WORKERS = 2


def run(
    recipe: Source = "nano",
    *,
    output_dir: str | Path | None = None,
    journal: str | Path | None = None,
    seed: int | None = None,
    target: int | None = None,
    max_candidates: int | None = None,
    until: str | None = None,
    set: Changes = None,
    shard: str | None = None,
    cluster: str | Scale | None = None,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Run the whole pipeline of a recipe, from concepts to a set of problems, and return the result.

    Also works in a notebook. Called again after an interruption with the same `output_dir` (by default out/NAME of the
    recipe), it repeats no finished call. `target` stops at a number of accepted problems, `until` at a step. An
    `output_dir` at an address (s3://, …) needs `journal`, a local folder in which the run is made; it is copied to the
    address at the end. `shard`, such as "1/4", processes one of four disjoint parts, see `merge`. With a `cluster`, the
    address of a Ray cluster or a `promptcot.Scale`, models are served there. Raises the errors of `promptcot.errors`.
    """
    work = arun(
        recipe,
        output_dir=output_dir,
        journal=journal,
        seed=seed,
        target=target,
        max_candidates=max_candidates,
        until=until,
        set=set,
        shard=shard,
        cluster=cluster,
        on_progress=on_progress,
    )
    return wait_for(work)


async def arun(
    recipe: Source = "nano",
    *,
    output_dir: str | Path | None = None,
    journal: str | Path | None = None,
    seed: int | None = None,
    target: int | None = None,
    max_candidates: int | None = None,
    until: str | None = None,
    set: Changes = None,
    shard: str | None = None,
    cluster: str | Scale | None = None,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Like `run`, for an existing event loop. Cancelling it keeps finished work."""
    check_given(output_dir=output_dir, journal=journal, seed=seed, target=target, max_candidates=max_candidates)
    check_given(until=until, on_progress=on_progress)
    limits = {"seed": seed, "run.target": target, "run.max_candidates": max_candidates}
    resolved = load_recipe(recipe, set, limits)
    part = shard_in({"shard": shard})
    directory = Path(output_dir) if output_dir is not None else default_directory(resolved.name, part)
    async with delivered(directory, journal, "folder") as made:
        inputs = Inputs(resolved, made, until, part)
        finished = await execute.run(inputs, observer_of(on_progress), scale=scale_of(cluster))
        await asyncio.to_thread(report_at_end, finished.directory)
        return _result(finished)


@checking
def merge(
    output: str | Path,
    shards: Iterable[str | Path],
    *,
    journal: str | Path | None = None,
    partial: bool = False,
    on_progress: OnProgress | None = None,
) -> RunResult | StageResult:
    """Join the results of all shards into the result of one call: run directories, or output files of a step.

    Steps that compare rows see those of all shards; no model is called. `partial` joins the existing shards even if
    others are missing. An output at an address needs `journal`, as in `run`. Raises UsageError and InputError if the
    inputs do not belong together.
    """
    paths = list(shards)
    check("shards", paths)
    return wait_for(_merge(Path(output), [Path(path) for path in paths], journal, partial, observer_of(on_progress)))


async def _merge(
    output: Path, paths: Sequence[Path], journal: str | Path | None, partial: bool, observer: Observer
) -> RunResult | StageResult:
    async with delivered(output, journal, "either") as target:
        made = shards_of(target, paths, partial=partial)
        if made[0].path.is_dir():
            merged = (await merge_runs(target, made, observer, partial=partial))[0]
            await asyncio.to_thread(report_at_end, merged.directory)
            return _result(merged)
        counts = merge_files(target, made, observer)
        problem = problem_of(counts, target)
        return StageResult(*rows_beside(target, lasting=True), counts, target.parent, problem=problem)


def _result(finished: Run) -> RunResult:
    counts = {one.name: one for one in (*finished.before, *finished.counts.values())}
    trouble = worst_trouble((output.counts, output.path) for output in finished.outputs.values())
    return RunResult(finished.directory, counts, [*counts][-1], str(trouble) if trouble else None)


def load_recipe(recipe: Source = "nano", set: Changes = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe with overrides, checked; `overrides` that are None are ignored. Raises RecipeError with all mistakes."""
    texts, values = _changes(set)
    if isinstance(recipe, Recipe) and not (
        texts or values or any(one is not None for one in (overrides or {}).values())
    ):
        return recipe
    values = {**values, **{key: value for key, value in (overrides or {}).items() if value is not None}}
    if isinstance(recipe, (str, Path)):
        return load(str(recipe), texts, values)
    table = recipe.model_dump(exclude_unset=True) if isinstance(recipe, Recipe) else recipe
    if not isinstance(table, Mapping):
        raise UsageError(f"recipe: {recipe!r} is not a name, path, table or promptcot.Recipe")
    return parse(with_changes(table, texts, values))


@checking
def load_run(directory: str | Path) -> RunResult:
    """A finished run, from its directory. Raises InputError if there is none."""
    refuse_address(directory, "the directory of a run to load")
    path = Path(directory) / "summary.json"
    try:
        stages = loads(path.read_bytes())["stages"]
        counts = {name: StageCounts.of_summary(name, table) for name, table in stages.items()}
        return RunResult(Path(directory), counts, [*counts][-1])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file; a run writes it when it ends") from error
    except OSError as error:
        raise InputError(f"{path}: it cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path}: this is not the summary of a run") from error


@checking
def evaluate(
    recipe: str | Path | Mapping[str, Any] = "nano",
    *,
    output_dir: str | Path | None = None,
    journal: str | Path | None = None,
    limit_rows: int | None = None,
    set: Changes = None,
    cluster: str | Scale | None = None,
    on_progress: OnProgress | None = None,
    strict: bool = False,
) -> EvaluationResult:
    """Solve and grade the benchmarks of an evaluation recipe several times each, like `promptcot eval`.

    `set` overrides recipe keys (`{"benchmarks": ["aime2024"], "n": 4}`); `limit_rows` uses the first problems only.
    Problems whose gold no answer can match are left out and counted; with `strict` they raise InputError. `journal` is
    for an `output_dir` at an address, and `cluster` for models on a cluster, as in `run`. Raises the errors of
    `promptcot.errors`.
    """
    texts, values = _changes(set)
    resolved = _eval_recipe(recipe, texts, values)
    directory = Path(output_dir) if output_dir is not None else Path("out") / f"eval-{resolved.name}"
    observer = observer_of(on_progress)
    default = domains.settings(resolved.prompts).verifier
    with Graders(_WORKERS, named=resolved.verifier, default=default) as graders:
        problems = load_problems(resolved, graders, limit_rows, observer, strict=strict)

        async def evaluated() -> Evaluation:
            async with delivered(directory, journal, "folder") as made:
                evaluation = Evaluation(resolved, made, graders, problems.asked)
                await evaluation.run(observer, scale_of(cluster))
            return evaluation

        evaluation = wait_for(evaluated())
    return EvaluationResult({one.benchmark: one for one in evaluation.results}, evaluation.directory, problems.refused)


def _eval_recipe(recipe: str | Path | Mapping[str, Any], texts: Sequence[str], values: Mapping[str, Any]) -> EvalRecipe:
    if isinstance(recipe, Mapping):
        from promptcot.recipe.loading import parse_as

        return parse_as(EvalRecipe, with_changes(recipe, texts, values), "recipe")
    return load_eval(str(recipe), texts, values)


def _changes(changes: Changes) -> tuple[Sequence[str], Mapping[str, Any]]:
    if isinstance(changes, Mapping):
        return (), {str(key): value for key, value in changes.items()}
    texts = (
        [changes]
        if isinstance(changes, str)
        else list(changes or ())
        if isinstance(changes, Iterable | None)
        else [changes]
    )
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f"set: {changes!r}; give a mapping of dotted keys to values, or texts such as 'sample.size=3'")
    return texts, {}
