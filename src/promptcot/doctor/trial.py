"""A few rows through the stages of a recipe, with its own engines, in a folder that is thrown away afterwards.

Decides what of a small run is worth telling. Concepts are drawn by co-occurrence alone unless vectors exist: to encode
a whole catalogue for three rows would be waste.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.units import duration
from promptcot.doctor.estimate import tell_estimate
from promptcot.doctor.findings import Finding, Mark, note, ok, problem, problem_of
from promptcot.doctor.watching import Watch, WatchingRunner
from promptcot.engines.opening import kind_of
from promptcot.errors import PromptCoTError
from promptcot.pipeline import execute
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.plan import asking
from promptcot.pipeline.run import Run
from promptcot.recipe.schema import Recipe
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows

_SHOWN = 160


@dataclass
class Trial:
    """A recipe cut down to a few rows. `vectors` are taken if they exist."""

    recipe: Recipe
    rows: int
    directory: Path
    vectors: Path | None

    def __post_init__(self) -> None:
        limits = self.recipe.run.model_copy(update={"max_candidates": self.rows, "target": None})
        path = None if self.vectors is None else str(self.vectors)
        encode = self.recipe.encode.model_copy(update={"path": path, "skip": path is None})
        self.inputs = Inputs(self.recipe.model_copy(update={"run": limits, "encode": encode}), self.directory)
        self.budget = Budget(limits.max_cost)
        started = [step.name for step in asking(self.inputs.steps) if kind_of(step.asked) == "vllm"]
        self.runner = WatchingRunner(LocalRunner(limits.concurrency, Retries(tries=4), budget=self.budget), started)

    async def run(self) -> Run:
        """The finished run. Raises PromptCoTError."""
        return await execute.run(self.inputs, Silent(), self.runner, self.budget)


async def try_rows(recipe: Recipe, rows: int, vectors: Path | None) -> AsyncIterator[Finding]:
    """What a trial tells, stage by stage, and the estimate. The folder is kept where the trial broke off."""
    directory = Path(tempfile.mkdtemp(prefix="promptcot-doctor-"))
    trial = Trial(recipe, rows, directory, vectors)
    try:
        run = await trial.run()
    except PromptCoTError as error:
        yield problem_of(error)
        yield note(f"the trial broke off; what it left, such as logs, is in {directory}")
        return
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    for finding in _tell(run, trial):
        yield finding
    shutil.rmtree(directory, ignore_errors=True)


def _tell(run: Run, trial: Trial) -> Iterator[Finding]:
    sampled, accepted = run.counts["sample"].rows_out, run.counts["filter"].rows_out
    by = "with the vectors that exist" if trial.vectors else "by co-occurrence alone, without vectors"
    yield ok(f"sample: {sampled} combinations, {by}")
    if not sampled:
        return
    watches = trial.runner.watches
    for name, watch in watches.items():
        yield from _stage(run, name, watch)
    yield ok(f"filter: {accepted} of {sampled} accepted")
    yield from tell_estimate(trial.recipe.run, asking(run.steps), watches, sampled, accepted)


def _stage(run: Run, name: str, watch: Watch) -> Iterator[Finding]:
    """The line of one stage that asks a model, and what could not be read or asked."""
    counts, path = run.counts[name], run.outputs[name].path
    if not counts.rows_in:
        yield note(f"{name}: no row reached it")
        return
    rows = read_rows(path, may_be_empty=True) if name.startswith("judge-") else ()
    unread = sum(row["judgement"] == "invalid" for row in rows)
    parsed = counts.rows_out - unread
    mark: Mark = "ok" if parsed == counts.rows_in else "note" if parsed else "problem"
    yield Finding(mark, f"{name}: {_measured(watch)}, {parsed} of {counts.rows_in} parse", _way_out(mark, run, name))
    if watch.start_up is not None:
        yield note(f"{name}: its server took {duration(watch.start_up)} to start, which is not in the rate")
    yield from _lost(path, counts)
    if unread:
        yield from _unread(path)


def _measured(watch: Watch) -> str:
    return (
        f"{watch.calls} replies, {watch.prompt_tokens:,} tokens in, {watch.completion_tokens:,} out, "
        f"{watch.seconds:.1f} s, {watch.rate:,.0f} tokens/s"
    )


def _way_out(mark: Mark, run: Run, name: str) -> str:
    if mark != "problem":
        return ""
    model = next(step.asked for step in run.steps if step.name == name)
    other = "chat = false" if model.chat else "chat = true, if it is a chat model"
    return f"look at the reply below: max_tokens ({model.max_tokens:,}) may be too low, or the model wants {other}"


def _lost(path: Path, counts: StageCounts) -> Iterator[Finding]:
    """Failed rows are problems; of those that could not be read the first is shown."""
    failed = beside(path, "failed.jsonl")
    if counts.failed and failed.exists():
        row = next(iter(read_rows(failed)))
        yield problem(f"{counts.failed.total()} failed: {_short(row.get('error', row))}")
    dropped = beside(path, "dropped.jsonl")
    if counts.dropped and dropped.exists():
        row = next(iter(read_rows(dropped)))
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.dropped.items()))
        yield note(f"dropped: {reasons}; the first ({row.get('finish_reason')}): {_short(row.get('raw'))}")


def _unread(path: Path) -> Iterator[Finding]:
    row = next(row for row in read_rows(path) if row["judgement"] == "invalid")
    reason, words = row.get("invalid_reason"), _short(row["completion"])
    yield note(f"the first that does not parse ({reason}; {row['finish_reason']}): {words}")


def _short(value: object) -> str:
    text = " ".join((value[0] if isinstance(value, list) and value else str(value)).split())
    return f"{text[:_SHOWN]} …" if len(text) > _SHOWN else text or "(nothing)"
