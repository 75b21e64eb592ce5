"""Runs a few rows through the stages of a recipe, with its own engines, in a temporary folder.

Decides what to report about the small run. Concepts are drawn by co-occurrence alone unless vectors exist, because
encoding a whole catalogue for three rows would be wasteful.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from promptcot.core.remedies import advice, described, shown
from promptcot.core.units import counted, duration
from promptcot.doctor.estimate import Estimate
from promptcot.doctor.findings import Finding, Mark, note, ok, problem, problem_of
from promptcot.doctor.lenient import Decisions
from promptcot.doctor.watching import Watch, WatchingRunner
from promptcot.engines.opening import kind_of
from promptcot.errors import PromptCoTError
from promptcot.pipeline import execute
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.plan import asking
from promptcot.pipeline.run import Run
from promptcot.recipe.recipe import Recipe
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows


async def try_rows(recipe: Recipe, rows: int, vectors: Path | None) -> AsyncIterator[Finding]:
    """The results of a trial, stage by stage, and the estimate. The folder is kept if the trial failed."""
    directory = Path(tempfile.mkdtemp(prefix="promptcot-doctor-"))
    inputs, decisions = Inputs(_cut_down(recipe, rows, vectors), directory), Decisions()
    inputs.steps = decisions.lenient(inputs.steps)
    budget, own = Budget(recipe.run.max_cost), [step for step in asking(inputs.steps) if kind_of(step.asked) == "vllm"]
    local = LocalRunner(recipe.run.concurrency, Retries(tries=4), budget=budget)
    runner = WatchingRunner(local, [step.name for step in own])
    try:
        run = await execute.run(inputs, Silent(), runner, budget)
    except PromptCoTError as error:
        yield problem_of(error)
        yield note(f"the trial failed; its files, such as logs, are in {directory}")
        return
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    by = "by co-occurrence alone, without vectors" if vectors is None else "with the vectors that exist"
    yield ok(f"sample: {counted(run.counts['sample'].rows_out, 'combination')}, {by}")
    for finding in _tell(run, recipe, runner.watches, decisions):
        yield finding
    shutil.rmtree(directory, ignore_errors=True)


def _cut_down(recipe: Recipe, rows: int, vectors: Path | None) -> Recipe:
    """The recipe, reduced to a few rows. `vectors` are used if they exist."""
    limits = recipe.run.model_copy(update={"max_candidates": rows, "target": None})
    encode = recipe.encode.model_copy(update={"path": vectors and str(vectors), "skip": vectors is None})
    return recipe.model_copy(update={"run": limits, "encode": encode})


def _tell(run: Run, recipe: Recipe, watches: Mapping[str, Watch], decisions: Decisions) -> Iterator[Finding]:
    sampled = run.counts["sample"].rows_out
    if not sampled:
        return
    for step in asking(run.steps):
        if step.name in watches:
            yield from _stage(run, step.name, watches[step.name])
    decide = ["filter", *recipe.set_steps]
    rows = {
        name: [*read_rows(run.outputs[name].path, may_be_empty=True)]
        for name in decide
        if name in run.outputs and name != "solve"
    }
    yield ok(f"filter: {decisions.passed(rows['filter'], 'filter')} of {sampled} accepted")
    for name, came in [*rows.items()][1:]:
        yield ok(f"{name}: would keep {decisions.passed(came, name)} of {len(came)}")
    if recipe.set_steps and any(decisions.left_out.values()):
        yield note("rows that a step would drop stay in the trial, so that all models are tried")
    counted = [name for name in rows if name != "select"]
    accepted = decisions.passed(rows[counted[-1]], *counted)
    yield from Estimate(recipe.run, asking(run.steps), watches, sampled, recipe.calls).findings(accepted)


def _stage(run: Run, name: str, watch: Watch) -> Iterator[Finding]:
    """The line of one stage with a model, and its unusable replies and failed calls."""
    counts, path = run.counts[name], run.outputs[name].path
    if not counts.rows_in:
        yield note(f"{name}: no row reached it")
        return
    parsed = counts.usable
    mark: Mark = "ok" if parsed == counts.rows_in else "note" if parsed else "problem"
    measured = (
        f"{counted(watch.calls, 'reply', 'replies')}, {counted(watch.prompt_tokens, 'token')} in, "
        f"{watch.completion_tokens:,} out, {watch.seconds:.1f} s, {watch.rate:,.0f} tokens/s"
    )
    likely = advice(counts.useless.example) if counts.useless.example is not None and not parsed else None
    way_out = f"likely cause: {likely.cause}; {likely.remedy}" if likely else ""
    yield Finding(mark, f"{name}: {measured}, {parsed} of {counts.rows_in} parse", way_out)
    if watch.start_up is not None:
        yield note(f"{name}: its server took {duration(watch.start_up)} to start, which is not in the rate")
    yield from _lost(path, counts)
    if counts.useless.example is not None:
        yield note(f"the first that does not parse {described(counts.useless.example)}")


def _lost(path: Path, counts: StageCounts) -> Iterator[Finding]:
    """Failed rows are problems, and the first is shown; for dropped rows, the reasons."""
    failed = beside(path, "failed.jsonl")
    if counts.failed and failed.exists():
        row = next(iter(read_rows(failed)))
        yield problem(f"{counts.failed.total()} failed: {shown(str(row.get('error', row)))}")
    if counts.dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.dropped.items()))
        yield note(f"dropped: {reasons}")
