"""From file to file through one stage, or through several at the same time: what all verbs that ask a model share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from promptcot.cli.console import close_books, refuse_own_output, say
from promptcot.cli.options import served_of
from promptcot.cli.progress import Progress
from promptcot.cli.scale import (
    Scale,
    crew_of,
    joined,
    left_calls,
    on_workers,
    published_at,
    remove_work,
    runner_on,
    take_scale,
    work_folder,
)
from promptcot.core.problems import problem_id
from promptcot.engines.opening import Engines
from promptcot.errors import RecipeError, UsageError
from promptcot.pipeline.run import Asked, in_order, open_books, run_stages, stream_of
from promptcot.recipe.schema import Model
from promptcot.records import Item, Row
from promptcot.runners.local import LocalRunner
from promptcot.stages.protocol import Stage
from promptcot.stages.solve import samples
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows, with_ids

if TYPE_CHECKING:
    from promptcot.runners.cluster.nodes import Cluster

Section = TypeVar("Section", bound=BaseModel)


def model_of(options: Mapping[str, Any]) -> Model:
    """The model that the options of `model_options` describe. Raises RecipeError."""
    price = options["price"] and dict(zip(("prompt", "completion"), options["price"], strict=True))
    if options["max_cost"] and not price:
        raise UsageError("--max-cost needs --price, what a million tokens of prompt and of completion cost")
    return checked(
        Model,
        **served_of(options),
        price=price,
        chat=options["use_chat_template"],
        temperature=options["temperature"],
        top_p=options["top_p"],
        repetition_penalty=options["repetition_penalty"],
        max_tokens=options["max_len"],
    )


def checked(section: type[Section], **given: Any) -> Section:
    """A section of a recipe from options. Raises RecipeError."""
    try:
        return section.model_validate(given)
    except ValidationError as error:
        raise RecipeError("options", [str(mistake["msg"]) for mistake in error.errors()]) from error


def run_file(
    make_stage: Callable[[Model, int], Stage],
    role: str,
    options: Mapping[str, Any],
    prompts: Mapping[str, str],
    asked_of_each: int = 1,
    max_retries: int = 0,
) -> int:
    """Run the stage from `data_path` to `output_path`; returns the exit code. `prompts` are hashes for the manifest.

    `solve` has its rows `asked_of_each` times, numbered by `sample`.
    """
    model, source = model_of(options), Path(options["data_path"])
    stage = make_stage(model, options["seed"])
    step = Step(stage, model, role, lambda: in_order(_rows(stage, source, asked_of_each)))
    return run_steps(stage.name, [step], source, options, prompts, max_retries)


@dataclass(frozen=True)
class Step:
    """A stage, the model that it asks, the role that this plays, and the items that it is asked about, read anew."""

    stage: Stage
    model: Model
    role: str
    items: Callable[[], Iterator[Item]]


def run_steps(
    name: str,
    steps: Sequence[Step],
    source: Path,
    options: Mapping[str, Any],
    prompts: Mapping[str, str],
    max_retries: int = 0,
) -> int:
    """Run stages at the same time, from one file into the `output_path`, under one name; returns the exit code."""
    scale, options = take_scale(options)
    refuse_own_output([source], Path(options["output_path"]))
    total = sum(map(_checked_items, steps))
    return asyncio.run(_run_steps(name, steps, total, options, prompts, max_retries, scale))


def _checked_items(step: Step) -> int:
    """How many items a step has. A wrong file, or prompt, is found before a model is loaded: raises InputError."""
    items = step.items()
    first = next(items, None)
    if first is None:
        return 0
    step.stage.ask(first.row)
    return 1 + sum(1 for _ in items)


def _rows(stage: Stage, source: Path, asked_of_each: int) -> Iterator[Row]:
    if stage.name != "solve":
        return with_ids(read_rows(source))
    numbered = enumerate(read_rows(source), 1)  # by the problem's own words, in whatever style it is asked
    named = ({**row, "id": problem_id(row, f"{source}, row {number}")} for number, row in numbered)
    return samples(with_ids(named), asked_of_each)


async def _run_steps(
    name: str,
    steps: Sequence[Step],
    total: int,
    options: Mapping[str, Any],
    prompts: Mapping[str, str],
    max_retries: int,
    scale: Scale,
) -> int:
    engines = Engines(beside(Path(options["output_path"]), "journal"))
    budget = Budget(options["max_cost"])
    published = published_at(Path(options["output_path"]), scale)
    try:
        with (
            joined(scale) as cluster,  # left at the very end: until then nobody else works on this output
            published as target,
            Output(target, name) as output,
            Journal(beside(target, "journal")) as journal,
        ):
            if cluster is None:
                journal.recover(left_calls(work_folder(target), [step.stage.name for step in steps]))
            if len(journal):
                say(f"{name}: {len(journal):,} finished calls in {journal.directory}")
            open_books(journal, output.counts, steps[0].model.priced, budget)

            def told(asked: Sequence[Asked]) -> dict[str, Any]:
                roles = [steps[0].role] if len(steps) == 1 else [step.stage.name for step in steps]
                return manifest(options, prompts, dict(zip(roles, (one.engine.model for one in asked), strict=True)))

            if cluster is not None:
                asked = await _on_cluster(
                    scale, cluster, engines, steps, output, journal, told, options, max_retries, total
                )
            else:
                asked = await _open(steps, engines)
                with Progress({name: output.counts}, total=total):
                    runner = LocalRunner(options["concurrency"], max_retries=max_retries, budget=budget)
                    await run_stages(asked, runner, output, journal)
            output.commit(told(asked))
            journal.sync()
            published.publish()
            remove_work(work_folder(Path(options["output_path"])))
            return close_books(Path(options["output_path"]), [output.counts])
    finally:
        await engines.close()


async def _on_cluster(
    scale: Scale,
    cluster: Cluster,
    engines: Engines,
    steps: Sequence[Step],
    output: Output,
    journal: Journal,
    told: Callable[[Sequence[Asked]], dict[str, Any]],
    options: Mapping[str, Any],
    max_retries: int,
    total: int,
) -> list[Asked]:
    """Ask on the cluster, step by step, and then write what was said. The driver's engines only tell their names."""
    name, price = output.counts.name, output.counts.price
    counts = StageCounts(name, price=price, paid=journal.paid)
    asked = [
        Asked(step.stage, step.items(), await engines.open(on_workers(step.model, cluster), step.role))
        for step in steps
    ]
    folder, models = work_folder(Path(options["output_path"])), [step.model for step in steps]
    runner = runner_on(cluster, folder, told(asked), models, max_retries)
    with Progress({name: counts}, total=total, note=lambda: runner.note):
        for step, one in zip(steps, asked, strict=True):
            crew = crew_of(scale, runner, step.model, step.role, one.engine, options["concurrency"])
            await runner.ask(step.stage, stream_of(step.items()), crew, journal, counts)
    await run_stages(asked, runner, output, journal)
    output.counts.absorb(counts)
    return asked


async def _open(steps: Sequence[Step], engines: Engines) -> list[Asked]:
    """The steps with their engines. Raises UsageError where the models do not fit on this machine together."""
    if not engines.place([(step.model, step.role) for step in steps]):
        raise UsageError("these models do not fit on this machine together: ask each with a command of its own")
    return [Asked(step.stage, step.items(), await engines.open(step.model, step.role)) for step in steps]
